# gatewayd. `make run` and `make load` in two terminals show what it does.
GO      ?= go
BIN     := bin/gatewayd
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)
PKGS    := ./...

.PHONY: build run load test check fuzz bench bench-autoscale bench-scaling bench-rollout docker debian test-docker docs

build: ## the program
	CGO_ENABLED=0 $(GO) build -trimpath -pgo=bench/gatewayd.pgo -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/gatewayd

run: build ## the gateway with two demo instances on 127.0.0.1:8080, admin API on 127.0.0.1:9900
	$(BIN) run -c config.example.yaml

load: ## bounded traffic against `make run`
	$(GO) run ./bench/load -url http://127.0.0.1:8080/ -rate 50,400,1200,400,50 -step 20s

test: ## what CI runs; needs only Go and make
	$(GO) vet $(PKGS)
	$(GO) test -race -timeout 600s $(PKGS)

check: ## format, vet, generated docs, modules
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet $(PKGS)
	$(GO) mod verify
	$(GO) test ./internal/archtest ./config

fuzz: ## every fuzz target for 20 s
	@for p in $$($(GO) list $(PKGS)); do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	  echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 20s $$p || exit 1; done; done

bench: build ## side by side with nginx, HAProxy and others; installs them
	./bench/run.sh

bench-autoscale: ## the scaler on synthetic traces, or on TRACES=folder
	$(GO) run ./bench/autoscale $(if $(TRACES),-traces $(TRACES))

bench-rollout: build ## broken and good versions at 500 requests/s; CASE=regexp RUNS=n
	$(GO) run ./bench/rollout -gatewayd $(BIN) $(if $(CASE),-case '$(CASE)') $(if $(RUNS),-runs $(RUNS))

bench-scaling: build ## a step in load: when the gateway decides, and when the new instance serves
	$(GO) run ./bench/scaling -gateway $(BIN)

docker: ## the image
	docker build --build-arg VERSION=$(VERSION) -t gatewayd:$(VERSION) .

debian: ## what the tests with real peers need, on Debian
	apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus prometheus-alertmanager chromium docker.io iptables iproute2

test-docker: ## the tests that want a Docker Engine, with one of their own; needs root and Debian
	apt-get install -y -qq --no-install-recommends docker.io iptables iproute2 curl
	$(GO) test -c -race -o /dev/null ./provider/docker
	internal/testkit/dockerd.sh start
	internal/testkit/dockerd.sh run $(GO) test -race -count=1 ./provider/docker; s=$$?; internal/testkit/dockerd.sh stop; exit $$s

docs: ## the generated reference
	$(GO) test ./config -update
