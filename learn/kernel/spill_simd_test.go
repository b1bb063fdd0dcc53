//go:build goexperiment.simd && amd64

package kernel

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// No inner loop of the AVX2 kernels goes to the stack or has an SSE instruction: the
// compiler puts in either where a loop needs more registers than there are, and on many
// processors the second, between vectors of 256 bits, makes all of them slower than
// scalar code. (Those of 512 bits have 32 registers, and the disassembler cannot read
// them.)
func TestLoopsStayInRegisters(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "kernel.test") // this one has no symbols
	if text, err := exec.Command("go", "test", "-c", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	out, err := exec.Command("go", "tool", "objdump", "-s", `kernel\.(block|tile|dots)256`, binary).Output()
	if err != nil {
		t.Fatalf("go tool objdump: %v", err)
	}
	type instruction struct {
		at   int64
		text string
	}
	line := regexp.MustCompile(`^\s+\S+\s+0x([0-9a-f]+)\s+\S+\s+(.*)$`)
	jump := regexp.MustCompile(`^J[A-Z]+ 0x([0-9a-f]+)`)
	bad := regexp.MustCompile(`\(SP\)|^(MOV|ADD|SUB|MUL|CVT\w*|XOR|UCOMI|COMI)(SS|SD|PS|PD|UPS|APS|UPD|APD)\b`)
	loops := map[string]int{} // by function
	for function := range strings.SplitSeq(string(out), "TEXT ") {
		name, _, _ := strings.Cut(function, "(SB)")
		var all []instruction
		for text := range strings.Lines(function) {
			if m := line.FindStringSubmatch(strings.TrimRight(text, " \t\n")); m != nil {
				at, err := strconv.ParseInt(m[1], 16, 64)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, instruction{at, m[2]})
			}
		}
		for _, end := range all {
			m := jump.FindStringSubmatch(end.text)
			if m == nil {
				continue
			}
			begin, err := strconv.ParseInt(m[1], 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			var body []instruction
			multiplies := false
			for _, i := range all {
				if i.at >= begin && i.at <= end.at {
					body = append(body, i)
					multiplies = multiplies || strings.Contains(i.text, "FMADD")
				}
			}
			if !multiplies {
				continue // no loop, or another
			}
			loops[name]++
			for _, i := range body {
				if bad.MatchString(i.text) {
					t.Errorf("%s: a loop has %s", name, i.text)
				}
			}
		}
	}
	if len(loops) != 7 {
		t.Errorf("loops are found in %v, want block256x1, x2, x4 and x6, tile256x1 and x2, and dots256", loops)
	}
}
