package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"fedtab/coordinator/store"

	"github.com/nats-io/nats.go/jetstream"
)

// vectors are the vectors of a version: an object.
type vectors struct {
	Params []float32
	Names  []string // of the server vectors, ascending
	State  [][]float32
}

// objectTimeout is how long one object may take.
const objectTimeout = time.Minute

// errNoObject says that an object is not there: of a version whose parameters are no longer kept.
var errNoObject = errors.New("cluster: no such object")

// putTries is how often an object is sent that does not come back as it was.
const putTries = 3

// put stores an object under its run, version and SHA-256, and returns its name once it has been
// read back: a record must not name what cannot be read.
func (c *Cluster) put(run string, version uint64, v vectors) (name string, err error) {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(&v); err != nil {
		return "", err
	}
	sum := sha256.Sum256(b.Bytes())
	name = fmt.Sprintf("%s/%d/%s", run, version, hex.EncodeToString(sum[:]))
	for range putTries {
		ctx, cancel := context.WithTimeout(context.Background(), objectTimeout)
		_, err = c.objects.PutBytes(ctx, name, b.Bytes())
		cancel()
		if err == nil {
			if _, err = c.get(name); err == nil {
				return name, nil
			}
			continue
		}
		var api *jetstream.APIError
		if errors.As(err, &api) {
			return "", fmt.Errorf("cluster: object store %s does not take %d bytes: %s: %w", c.objectsName(), b.Len(), api.Description, store.ErrFull)
		}
		break
	}
	return "", fmt.Errorf("cluster: object store %s: %w", c.objectsName(), err)
}

// get returns an object whose bytes have the hash in its name. The error wraps errNoObject if there
// is none.
func (c *Cluster) get(name string) (v vectors, err error) {
	var b []byte
	// A transfer from a server that has just gone would hang for long: the first tries are short.
	for patience := objectTimeout / 32; ; patience *= 2 {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		b, err = c.objects.GetBytes(ctx, name)
		cancel()
		if err == nil {
			break
		}
		if errors.Is(err, jetstream.ErrObjectNotFound) {
			return v, fmt.Errorf("%w: %s", errNoObject, name)
		}
		if patience >= objectTimeout {
			return v, fmt.Errorf("cluster: object %s: %w", name, err)
		}
	}
	sum := sha256.Sum256(b)
	if !strings.HasSuffix(name, "/"+hex.EncodeToString(sum[:])) {
		return v, fmt.Errorf("cluster: object %s has other bytes than its name says: %w", name, store.ErrCorrupt)
	}
	return v, gob.NewDecoder(bytes.NewReader(b)).Decode(&v)
}

// sweep deletes the objects of a run but those of versions that are kept.
func (c *Cluster) sweep(run string, keep func(version uint64) bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), objectTimeout)
	defer cancel()
	all, err := c.objects.List(ctx)
	if errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cluster: object store %s: %w", c.objectsName(), err)
	}
	for _, o := range all {
		rest, ok := strings.CutPrefix(o.Name, run+"/")
		if !ok {
			continue
		}
		var version uint64
		if _, err := fmt.Sscanf(rest, "%d/", &version); err != nil || keep(version) {
			continue
		}
		if err := c.objects.Delete(ctx, o.Name); err != nil {
			return fmt.Errorf("cluster: object %s: %w", o.Name, err)
		}
	}
	return nil
}
