package e2e

import (
	"os/exec"
	"testing"
)

// The document of the organisers' API is OpenAPI 3.1, as a validator from npm reads it.
func TestOpenAPI(t *testing.T) {
	out, err := exec.Command("node", "openapi/node_modules/@seriousme/openapi-schema-validator/bin/validate-api-cli.js", "../docs/openapi.yaml").CombinedOutput()
	if err != nil {
		t.Errorf("docs/openapi.yaml: %v (run make browsers if there is no validator)\n%s", err, out)
	}
}
