# make alone lists the targets.
GO ?= go
FUZZTIME ?= 10s
EXECS ?= 0
VERSION_FLAGS = -trimpath -ldflags "-s -w"

.DEFAULT_GOAL := help
.PHONY: help build run test race faults fuzz bench lint golden captures lab record cross

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

build: ## one static binary: ./perch
	CGO_ENABLED=0 $(GO) build $(VERSION_FLAGS) -o perch ./cmd/perch

cross: ## the same for linux/arm64: dist/perch-linux-arm64
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build $(VERSION_FLAGS) -o dist/perch-linux-arm64 ./cmd/perch

run: build ## build, and run the whole product on a bundled capture: open what it prints in a browser
	./perch demo

test: ## run everything; as root on Debian, install what it needs first
	$(GO) run ./testdata/suite

race: ## run everything with the race detector (needs a C compiler)
	$(GO) run ./testdata/suite -race

faults: ## kill, fill, lock and cut off everything, at length; prints the table of docs/reliability.md (as root, half an hour)
	@GO="$(GO)" sh testdata/faults.sh

fuzz: ## fuzz each decoder for FUZZTIME (default 10s), then try EXECS mutations of what that found
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" EXECS="$(EXECS)" sh testdata/fuzz.sh $(TARGETS)

bench: build ## measure the figures of docs/performance.md
	$(GO) run ./testdata/bench -perch ./perch

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet ./... ./testdata/gen ./testdata/lab ./testdata/oui ./testdata/suite ./testdata/bench ./testdata/phone
	$(GO) tool staticcheck ./... ./testdata/gen ./testdata/lab ./testdata/oui ./testdata/suite ./testdata/bench ./testdata/phone

captures: ## write the made captures anew
	$(GO) run ./testdata/gen

lab: ## a site of real phones' and switches' programs, Perch on its mirror (as root); HOLD=1 leaves it standing
	$(GO) run ./testdata/lab $(if $(HOLD),-hold)

record: ## record the captures of real programs anew, as root on Debian; then write their stories
	$(GO) run ./testdata/lab -record testdata/replay

golden: ## rewrite the goldens from what the program prints now; read the diff
	$(GO) test ./cmd/perch ./notify ./discovery/... -run 'Stories|Golden' -update
