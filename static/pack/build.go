package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// program is one Go program and how it is built.
type program struct {
	name string
	tags string
}

// programs are the Go programs: the tab's, that with the readers of own data, which is loaded
// on demand, the organisers' dashboard, and the lab.
var programs = []program{
	{"fedtab.wasm", ""},
	{"extra/readers.wasm", "readers"},
	{"extra/organiser.wasm", "organiser"},
	{"extra/lab.wasm", "lab"},
}

// kernels are the modules with the loops of training, relaxed and not.
var kernels = []string{"kernel.wasm", "kernel-simd128.wasm"}

// tabPackage has the main function of all programs.
const tabPackage = "./wasm"

// flags of the compiler: without inlining the programs are a tenth smaller. Where
// examples are trained, packed and read, inlining stays.
var flags = []string{
	"-gcflags=all=-l", "-gcflags=fedtab/learn=", "-gcflags=fedtab/learn/data=", "-gcflags=fedtab/learn/kernel=",
	"-gcflags=fedtab/compress=", "-gcflags=math/...=",
}

// environment returns the environment variables of the programs' builds. Vectors are the
// kernel modules' matter. The older garbage collector is 14 kB smaller, and serves a heap
// that is small and hardly changes while a tab trains.
func environment() []string {
	return []string{"GOOS=js", "GOARCH=wasm", "GOEXPERIMENT=nosimd,nogreenteagc", "CGO_ENABLED=0"}
}

// compile builds every program, and gives each to done as it is there. They share most
// packages, and the go command does not wait for another that compiles the same one: so
// they are built one after the other.
func (c config) compile(folder string, done func(p program, content []byte)) error {
	for _, p := range programs {
		content, err := c.build(p, folder)
		if err != nil {
			return err
		}
		done(p, content)
	}
	return nil
}

// build compiles p, by way of a file in the folder, and returns it stripped.
func (c config) build(p program, folder string) ([]byte, error) {
	c.step("compiling %s", p.name)
	content, err := c.link(tabPackage, filepath.Join(folder, filepath.Base(p.name)), append(flags, "-tags="+p.tags)...)
	if err != nil {
		return nil, err
	}
	if content, err = strip(content); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return content, nil
}

// link compiles a command into the file, and returns it.
func (c config) link(command, path string, flags ...string) ([]byte, error) {
	// -s and -w leave out symbols and DWARF, of which browsers make no use.
	arguments := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", path}, flags...)
	if _, err := c.goCommand(environment(), append(arguments, command)...); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// native makes the go command build for this machine, whatever the environment sets.
var native = []string{"GOOS=", "GOARCH="}

// goCommand runs the go command in the module's folder and returns its standard
// output.
func (c config) goCommand(environment []string, arguments ...string) ([]byte, error) {
	cmd := exec.Command("go", arguments...)
	cmd.Dir = c.root
	cmd.Env = append(os.Environ(), environment...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s go %s: %w\n%s", strings.Join(environment, " "), strings.Join(arguments, " "), err,
			strings.TrimSpace(problems.String()))
	}
	return out.Bytes(), nil
}

// moduleRoot returns the folder of the module that the working directory is in.
func moduleRoot() (string, error) {
	out, err := config{}.goCommand(nil, "env", "GOMOD")
	if err != nil {
		return "", err
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", errors.New("working directory: not in a module, want fedtab's checkout")
	}
	return filepath.Dir(mod), nil
}

// sources returns the paths of the files that are packed unchanged except for
// references, by the name in those references.
func (c config) sources() (map[string]string, error) {
	goroot, err := c.goCommand(nil, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	vugu, err := c.goCommand(nil, "list", "-m", "-f", "{{.Dir}}", "github.com/vugu/vugu")
	if err != nil {
		return nil, err
	}
	trim := func(b []byte) string { return strings.TrimSpace(string(b)) }
	here := filepath.Join(c.root, "static")
	return map[string]string{
		"index.html":              filepath.Join(here, "index.html"),
		"fedtab.css":              filepath.Join(here, "css"),
		"favicon.svg":             filepath.Join(here, "favicon.svg"),
		"host.js":                 filepath.Join(here, "host.js"),
		"extra/bench.js":          filepath.Join(here, "extra", "bench.js"),
		"extra/charts.js":         filepath.Join(here, "extra", "charts.js"),
		"extra/de.txt":            filepath.Join(c.root, "words", "de.txt"),
		"extra/de.lab.txt":        filepath.Join(c.root, "words", "de.lab.txt"),
		"tab.js":                  filepath.Join(here, "tab.js"),
		"kernel.js":               filepath.Join(here, "kernel.js"),
		"keep.js":                 filepath.Join(here, "keep.js"),
		"crypto.js":               filepath.Join(here, "crypto.js"),
		"own.js":                  filepath.Join(here, "own.js"),
		"extra/pictures.js":       filepath.Join(here, "extra", "pictures.js"),
		"extra/bring.js":          filepath.Join(here, "extra", "bring.js"),
		"extra/uPlot.iife.min.js": filepath.Join(here, "vendor", "uplot", "uPlot.iife.min.js"),
		"extra/uPlot.min.css":     filepath.Join(here, "vendor", "uplot", "uPlot.min.css"),
		"wasm_exec.js":            filepath.Join(trim(goroot), "lib", "wasm", "wasm_exec.js"),
		"vugu.js":                 filepath.Join(trim(vugu), "domrender", "renderer-js-script.go"),
		"extra/share.js":          filepath.Join(here, "extra", "share.js"),
		"extra/organiser.css":     filepath.Join(here, "extra", "organiser.css"),
		"extra/organiser.js":      filepath.Join(here, "extra", "organiser.js"),
		"extra/lab.css":           filepath.Join(here, "extra", "lab.css"),
		"extra/lab.js":            filepath.Join(here, "extra", "lab.js"),
		"organiser.html":          filepath.Join(here, "organiser.html"),
		"extra/try.js":            filepath.Join(here, "extra", "try.js"),
		"extra/wall.js":           filepath.Join(here, "extra", "wall.js"),
		"sw.js":                   filepath.Join(here, "sw.js"),
		"app.webmanifest":         filepath.Join(here, "app.webmanifest"),
		"extra/icon-192.png":      filepath.Join(here, "extra", "icon-192.png"),
		"extra/icon-512.png":      filepath.Join(here, "extra", "icon-512.png"),
	}, nil
}

// readSource returns the content of a source. Of a folder these are its files, one after
// the other by name.
func readSource(name, path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return readFolder(path)
	}
	b, err := os.ReadFile(path)
	if err == nil && name == "vugu.js" {
		script, err := rendererScript(path, b)
		if err != nil {
			return nil, err
		}
		return leaveSame(path, script)
	}
	return b, err
}

func readFolder(path string) ([]byte, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var parts [][]byte
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(path, e.Name()))
		if err != nil {
			return nil, err
		}
		parts = append(parts, b)
	}
	return bytes.Join(parts, []byte("\n")), nil
}

// rendererScript returns the script that Vugu would evaluate. It is taken from the Go
// source; the .js file beside it is a template and does not run.
func rendererScript(path string, source []byte) ([]byte, error) {
	f, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
	if err != nil {
		return nil, err
	}
	object := f.Scope.Lookup("jsHelperScript")
	if object != nil {
		if spec, ok := object.Decl.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				script, err := strconv.Unquote(literal.Value)
				return []byte(script), err
			}
		}
	}
	return nil, fmt.Errorf("%s: no constant jsHelperScript, want the version of Vugu in go.mod", path)
}

// leaveSame has Vugu's script leave contents that are what they should be: it writes every
// text of the page in each rendering, and the browser would lay the whole page out again.
func leaveSame(path string, script []byte) ([]byte, error) {
	for old, new := range map[string]string{
		`x.el.innerHTML=(x.bufferedInnerHTML||"")+e,`: `fedtab.fill(x.el,(x.bufferedInnerHTML||"")+e),`,
		`if(x.el.nodeType!=3){`:                       `if(x.el.nodeType==3&&x.el.data===e)break;if(x.el.nodeType!=3){`,
	} {
		if n := bytes.Count(script, []byte(old)); n != 1 {
			return nil, fmt.Errorf("%s: the renderer's script has %d times %s, want once, as in the version of Vugu in go.mod", path, n, old)
		}
		script = bytes.Replace(script, []byte(old), []byte(new), 1)
	}
	return script, nil
}
