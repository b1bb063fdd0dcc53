package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"fedtab/coordinator/task"
	"fedtab/privacy/secagg"

	"github.com/spf13/cobra"
)

func identityCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "identity", Short: "make the key with which a member of a study signs, and print its public key",
		Example: examples("coordinator identity --key ada.key --name Ada >> members.txt"),
	}
	fs := c.Flags()
	path := fs.String("key", "", "`file` of the private key; it is made if there is none. Whoever has it can take part as this member")
	name := fs.String("name", "", "name that follows the public key, for people")
	c.RunE = action(func(_ context.Context, stdout, _ io.Writer) error {
		switch {
		case *path == "":
			return usageError("identity: --key is missing, want a file for the private key")
		case strings.ContainsAny(*name, "\r\n"):
			return usageError(fmt.Sprintf("identity: --name is %q, want one line", *name))
		}
		key, err := readIdentity(*path)
		if errors.Is(err, os.ErrNotExist) {
			key, err = makeIdentity(*path)
		}
		if err != nil {
			return err
		}
		public := secagg.Key(key.Public().(ed25519.PublicKey))
		_, err = fmt.Fprintln(stdout, strings.TrimSpace(task.MemberLine(public)+" "+*name))
		return err
	})
	return c
}

// identityType is the type of the PEM block of a key, in PKCS #8.
const identityType = "PRIVATE KEY"

// readIdentity reads a key that makeIdentity has made.
func readIdentity(path string) (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != identityType {
		return nil, fmt.Errorf("--key: %s holds no private key, want a file that coordinator identity has made", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("--key: %s: %w", path, err)
	}
	signs, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("--key: %s holds a %T, want a key of Ed25519, as coordinator identity makes it", path, key)
	}
	return signs, nil
}

// makeIdentity makes a key, in a file that only its owner can read.
func makeIdentity(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("--key: %w", err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("--key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--key: %w", err)
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: identityType, Bytes: b}), f.Sync(), f.Close())
	if err != nil {
		return nil, fmt.Errorf("--key: %s: %w", path, err)
	}
	return key, nil
}
