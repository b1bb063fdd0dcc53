package e2e

import (
	"bytes"
	bin "encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"fedtab/learn/data"
)

// wiretap records all that browsers send to a coordinator.
type wiretap struct {
	mu   sync.Mutex
	sent []*bytes.Buffer // of each connection
}

// tap returns the address of a coordinator behind a wiretap.
func tap(t *testing.T, c *coordinator) (*wiretap, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	w := &wiretap{}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", c.addr)
			if err != nil {
				from.Close()
				continue
			}
			sent := &bytes.Buffer{}
			w.mu.Lock()
			w.sent = append(w.sent, sent)
			w.mu.Unlock()
			go func() {
				io.Copy(io.MultiWriter(to, writer(func(b []byte) {
					w.mu.Lock()
					sent.Write(b)
					w.mu.Unlock()
				})), from)
				to.Close()
			}()
			go func() {
				io.Copy(from, to)
				from.Close()
			}()
		}
	}()
	return w, "http://" + l.Addr().String() + "/"
}

// writer is a function as an io.Writer.
type writer func(b []byte)

func (w writer) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

// all returns what was sent: requests as they are, and the content of the frames of
// WebSockets, without their masks.
func (w *wiretap) all(t *testing.T) (all []byte, frames int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, sent := range w.sent {
		b := sent.Bytes()
		at := bytes.Index(b, []byte("\r\n\r\n"))
		if at < 0 || !bytes.Contains(bytes.ToLower(b[:at]), []byte("upgrade: websocket")) {
			all = append(all, b...)
			continue
		}
		all = append(all, b[:at]...)
		for b = b[at+4:]; len(b) >= 6; frames++ {
			n, head := int(b[1]&127), 2
			switch n {
			case 126:
				n, head = int(bin.BigEndian.Uint16(b[2:])), 4
			case 127:
				n, head = int(bin.BigEndian.Uint64(b[2:])), 10
			}
			if b[1]&128 == 0 {
				t.Fatal("a frame of a browser has no mask")
			}
			if b[0]&0x40 != 0 {
				t.Fatal("a frame is compressed")
			}
			if len(b) < head+4+n {
				break // cut off by the end of the run
			}
			mask, body := b[head:head+4], b[head+4:head+4+n]
			for i := range body {
				all = append(all, body[i]^mask[i%4])
			}
			b = b[head+4+n:]
		}
	}
	return all, frames
}

// encodings are the ways to write numbers side by side that the test knows.
func encodings(values []float64) map[string][]byte {
	all := map[string][]byte{}
	var text []string
	for _, order := range []bin.ByteOrder{bin.LittleEndian, bin.BigEndian} {
		var narrow, wide []byte
		for _, v := range values {
			narrow = append(narrow, make([]byte, 4)...)
			order.PutUint32(narrow[len(narrow)-4:], math.Float32bits(float32(v)))
			wide = append(wide, make([]byte, 8)...)
			order.PutUint64(wide[len(wide)-8:], math.Float64bits(v))
		}
		all[fmt.Sprint("float32 ", order)], all[fmt.Sprint("float64 ", order)] = narrow, wide
	}
	for _, v := range values {
		text = append(text, strconv.FormatFloat(v, 'f', -1, 64))
	}
	for _, between := range []string{",", ";", " ", "\t", "\n"} {
		all[fmt.Sprintf("text with %q", between)] = []byte(strings.Join(text, between))
	}
	return all
}

// In a whole run, with statistics, training and evaluation, no tab sends a row, a column,
// a picture or the name of a file.
func TestNothingLeaves(t *testing.T) {
	t.Run("table", func(t *testing.T) {
		c := serve(t, ownTable("standardise: local", "standardise: federated", "min_clients: 1", "min_clients: 3", "stop: {rounds: 4}", "evaluate: {on: holdouts, every: 1}\nstop: {rounds: 4}"))
		w, address := tap(t, c)
		const n = 60
		var tabs []*tab
		var columns [][]float64
		var rows [][]float64
		for k := range 3 {
			var lines strings.Builder
			lines.WriteString(patientColumns + "\n")
			ages, weights := make([]float64, n), make([]float64, n)
			for i := range n {
				ages[i] = math.Round(1e4*(20+79*frac(float64(1+i+k*n)*0.6180339887))) / 1e4
				weights[i] = math.Round(1e4*(45+90*frac(float64(1+i+k*n)*0.7548776662))) / 1e4
				outcome := "healthy"
				if ages[i] > 60 {
					outcome = "ill"
				}
				fmt.Fprintf(&lines, "%v,%v,%s,%s\n", ages[i], weights[i], []string{"f", "m"}[i%2], outcome)
				rows = append(rows, []float64{ages[i], weights[i]})
			}
			columns = append(columns, ages, weights)
			b := open(t, address)
			b.choose("own-files", file(t, fmt.Sprintf("secretward%d.csv", k), lines.String()))
			b.press("own-read")
			b.step("ready")
			tabs = append(tabs, b)
		}
		for _, b := range tabs {
			b.press("join")
		}
		await(t, "the tab shows how good a version is on its hold-out", func() bool {
			return js[float64](tabs[0], "+document.getElementById('gain-after').dataset.version") > 0
		})
		await(t, "the run is finished", func() bool { return c.state("patients").Phase == "finished" })
		sent, frames := w.all(t)
		t.Logf("%d bytes, %d frames", len(sent), frames)
		if frames < 3*(2+2+4) { // hello, statistics, rounds
			t.Errorf("only %d frames were recorded", frames)
		}
		absent(t, sent, "the name of a file", []byte("secretward"))
		for _, r := range rows {
			for how, b := range encodings(r) {
				absent(t, sent, fmt.Sprintf("the row %v as %s", r, how), b)
			}
		}
		for _, col := range columns {
			for i := range col[1:] {
				for how, b := range encodings(col[i : i+2]) {
					absent(t, sent, fmt.Sprintf("%v of a column as %s", col[i:i+2], how), b)
				}
			}
			for _, v := range col {
				for how, b := range encodings([]float64{v}) {
					if len(b) >= 7 { // shorter ones occur by chance
						absent(t, sent, fmt.Sprintf("the value %v as %s", v, how), b)
					}
				}
			}
		}
	})
	t.Run("pictures", func(t *testing.T) {
		c := serve(t, ownPictures())
		w, address := tap(t, c)
		b := open(t, address)
		const n, side = 20, 8
		pixels, labels := data.Array{Dims: []int{n, side, side}}, data.Array{Dims: []int{n}}
		for i := range n * side * side {
			pixels.Data = append(pixels.Data, uint8(256*frac(float64(1+i)*0.6180339887)))
		}
		for i := range n {
			labels.Data = append(labels.Data, uint8(i%2))
		}
		var images, classes bytes.Buffer
		if err := errors.Join(data.WriteIDX(&images, pixels), data.WriteIDX(&classes, labels)); err != nil {
			t.Fatal(err)
		}
		b.choose("own-files", file(t, "secret-images-idx3-ubyte", images.String()), file(t, "secret-labels-idx1-ubyte", classes.String()))
		b.step("ready")
		b.press("join")
		await(t, "the run is finished", func() bool { return c.state("pets").Phase == "finished" })
		sent, frames := w.all(t)
		t.Logf("%d bytes, %d frames", len(sent), frames)
		absent(t, sent, "the name of a file", []byte("secret-images"))
		for at := 0; at < len(pixels.Data); at += side { // the lines of the pictures
			line := pixels.Data[at:][:side]
			absent(t, sent, fmt.Sprintf("the line %v of a picture as uint8", line), line)
			var values, shares []float64
			for _, v := range line {
				values, shares = append(values, float64(v)), append(shares, float64(float32(v)/255))
			}
			for _, numbers := range [][]float64{values, shares} {
				for how, b := range encodings(numbers) {
					absent(t, sent, fmt.Sprintf("the line %v of a picture as %s", numbers, how), b)
				}
			}
		}
	})
}

func frac(x float64) float64 { return x - math.Floor(x) }

// absent reports bytes that are in what was sent.
func absent(t *testing.T, sent []byte, what string, b []byte) {
	t.Helper()
	if bytes.Contains(sent, b) {
		t.Errorf("a tab has sent %s", what)
	}
}
