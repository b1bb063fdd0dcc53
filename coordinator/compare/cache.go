package compare

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fedtab/coordinator/simulate"
)

// Cache keeps results of cells in a folder, under a hash of what they follow from: the task's
// settings and the data. What another program has made is made again, in its place.
type Cache struct {
	Dir string
	// Program is a hash or a name that differs between programs that could give different
	// results.
	Program string
	// Any takes what other programs have made, too: for whoever knows that they simulate
	// alike.
	Any bool
}

// kept is a file of the cache.
type kept struct {
	Program string           `json:"program"`
	Result  *simulate.Result `json:"result"`
	Failed  string           `json:"failed,omitempty"` // why the simulation ended early; the result is what was done
	Seconds float64          `json:"seconds"`          // of computing
}

// Program returns what identifies a program's file and the processor's kernels.
func Program(kernels string) (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("compare: the program's own file: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("compare: the program's own file: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("compare: the program's own file: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)) + " " + kernels, nil
}

// key returns the hash of what a result follows from.
func (c *Cache) key(o *simulate.Origin) string {
	h := sha256.New()
	fmt.Fprintf(h, "%x\n", o.Data)
	for _, path := range slices.Sorted(maps.Keys(o.Settings)) {
		fmt.Fprintf(h, "%q=%q\n", path, o.Settings[path])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (c *Cache) path(key string) string { return filepath.Join(c.Dir, key+".json") }

// checkpoint is where the state of a simulation that is under way lies.
func (c *Cache) checkpoint(key string) string { return filepath.Join(c.Dir, key+".resume") }

// get returns what is kept under a key; nil if nothing is, nothing that can be read, nothing
// of that origin, or nothing by this program.
func (c *Cache) get(key string, o *simulate.Origin) (*kept, error) {
	text, err := os.ReadFile(c.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	k := new(kept)
	if json.Unmarshal(text, k) != nil || k.Result == nil {
		return nil, nil // cut short by a power failure: it is computed again
	}
	if !maps.Equal(k.Result.Settings, o.Settings) || k.Result.DataSHA256 != fmt.Sprintf("%x", o.Data) {
		return nil, nil
	}
	if k.Program != c.Program && !c.Any {
		return nil, nil
	}
	return k, nil
}

// put keeps a result.
func (c *Cache) put(key string, k *kept) error {
	text, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	return Write(c.path(key), text)
}

// Write writes a file that appears once it is whole.
func Write(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	return nil
}

// since is time.Since in seconds.
func since(t time.Time) float64 { return time.Since(t).Seconds() }
