# make test does all its own set-up and runs everything that has to pass.
# make help lists the rest.

GO ?= go
# The modules of go.work; make modules fails for one that it lacks.
MODULES := $(shell sed -n 's/^\t\(\..*\)$$/\1/p' go.work)

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: test
test: setup modules lint unit failpoints sim proof-quick ## Set up, lint, and run all tests

# What tasuki version says. In a directory without git give it: make build VERSION=v1.2.3
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
# Static, so that it runs in an empty image; without paths of this machine.
STATIC = CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

.PHONY: build
build: ## Build the command, static, as bin/tasuki
	$(STATIC) -o bin/tasuki ./cmd/tasuki

PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
.PHONY: dist
dist: ## Build the command for each of PLATFORMS, as dist/tasuki-OS-ARCH
	@for p in $(PLATFORMS); do os=$${p%/*}; arch=$${p#*/}; \
		echo dist/tasuki-$$os-$$arch; GOOS=$$os GOARCH=$$arch $(STATIC) -o dist/tasuki-$$os-$$arch ./cmd/tasuki || exit 1; \
	done

.PHONY: setup
setup: ## Install what the tests need and is missing: redis-server, redis-cli, python3, gcc, chromium
	@./scripts/setup.sh

.PHONY: modules
modules: ## Check that go.work has every module, that each is tidy, and go.work.sum complete
	@for mod in $$(git ls-files -co --exclude-standard '*go.mod'); do \
		dir=./$$(dirname $$mod); dir=$${dir%/.}; \
		echo " $(MODULES) " | grep -q " $$dir " || { echo "go.work lacks $$dir"; exit 1; }; \
		(cd $$dir && GOWORK=off $(GO) mod tidy -diff) || { echo "run go mod tidy in $$dir"; exit 1; }; \
	done
	@sum=$$(cksum go.work.sum); $(GO) doc . >/dev/null; test "$$sum" = "$$(cksum go.work.sum)" || { echo "go doc has added to go.work.sum: commit it"; exit 1; }

.PHONY: lint
lint: ## Check format, vet and staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	@for mod in $(filter-out ./tools,$(MODULES)); do (cd $$mod && $(GO) vet ./...) || exit 1; done
	@GOWORK=off $(GO) -C tools build -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	@for mod in $(filter-out ./tools,$(MODULES)); do (cd $$mod && $(CURDIR)/bin/staticcheck ./...) || exit 1; done
	@$(GO) vet -tags failpoint . ./internal/failpoint && bin/staticcheck -tags failpoint . ./internal/failpoint

.PHONY: unit
unit: ## Run the tests of every module with the race detector
	@for mod in $(filter-out ./tools,$(MODULES)); do (cd $$mod && $(GO) test -race -shuffle=on -parallel 4 -timeout 15m $$($(GO) list ./... | grep -v -e /internal/proof$$ -e /internal/sim$$)) || exit 1; done

.PHONY: failpoints
failpoints: ## Run the tests that end or stop processes at exact points of the code
	$(GO) test -tags failpoint -parallel 32 -run Failpoint . ./internal/failpoint

.PHONY: sim
sim: ## Simulate workers on fake time, with 1,500 seeds of faults
	$(GO) test -count=1 -v ./internal/sim -sim.seeds=1500

.PHONY: proof-quick
proof-quick: ## Run each long proof at a hundredth of its size, side by side
	$(GO) test -race -count=1 -timeout 15m ./internal/proof

# Two of the rows need a machine that does little else: make proof ROW=KillWorkers
ROW ?= .
.PHONY: proof
proof: ## Run the long proofs at full size, for hours, and write docs/proof; ROW=KillWorkers for one
	@$(GO) test ./internal/proof -list '$(ROW)' | grep -v -x TestSoak | grep -q '^Test' || { echo "no row has the name $(ROW)"; exit 1; }
	$(GO) test ./internal/proof -count=1 -run '$(ROW)' -skip TestSoak -proof.scale=1 -proof.report=$(CURDIR)/docs/proof -timeout 12h -parallel 1 -v

FOR ?= 10m
.PHONY: soak
soak: ## Let everything go wrong at random for as long as FOR=1h says, and print the report
	$(GO) test ./internal/proof -count=1 -run TestSoak -proof.for=$(FOR) -proof.report=$(CURDIR)/docs/proof -timeout 0 -v

.PHONY: mutants
mutants: ## Make known mistakes, one at a time, and see a test fail for each
	$(GO) run ./internal/mutants -report docs/proof

.PHONY: fuzz
fuzz: ## Fuzz every target for ten minutes
	$(GO) run ./internal/fuzzing -time 10m -report docs/proof

.PHONY: model-long
model-long: ## Compare the scripts with their model for long, and search deeper
	$(GO) test ./internal/model -count=1 -v -timeout 3h -model.for=10m -model.deeper=4 -model.most=4000000 -proof.report=$(CURDIR)/docs/proof

.PHONY: cron-zones
cron-zones: ## Compare the runs of cron entries in every time zone with a scan over 20 years of minutes
	$(GO) test ./cron -count=1 -v -run TestZones -timeout 6h -cron.report=$(CURDIR)/docs/proof

.PHONY: screenshots
screenshots: ## Take the pictures of the dashboard that README.md shows
	@mkdir -p docs/images
	$(GO) test ./web -count=1 -run TestScreenshots -web.screenshots=$(CURDIR)/docs/images -timeout 5m

.PHONY: bench-presence
bench-presence: ## Measure how a dashboard slows a draining worker: half an hour
	$(GO) test ./web -run '^$$' -bench Dashboard/presence -benchtime 1x -timeout 1h -v

JOBS ?= 10000000
.PHONY: bench-web
bench-web: ## Measure the dashboard with JOBS=10000000 jobs, which need 5 GB: ten minutes
	TASUKI_BENCH_JOBS=$(JOBS) $(GO) test ./web -run '^$$' -bench 'Dashboard/(page|tabs)' -benchtime 5x -timeout 1h -v

.PHONY: vuln
vuln: ## Look for known holes in what is called: needs the network, no part of test
	@./scripts/vuln.sh $(filter-out ./tools,$(MODULES))
