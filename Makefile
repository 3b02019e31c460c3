# make test     every test, on servers that it installs and starts itself
# make lint     what CI refuses
# make chaos    everything is broken while events go through; CHAOS=--long for an hour of it
# make bench    Penstock beside what people use today
# make build    bin/penstock
# make release  bin/release: archives for Linux and macOS, and their sums; VERSION=1.2.3

SHELL    := /bin/sh
CACHE    := $(CURDIR)/.cache
LIMIT    ?= 15m
FUZZTIME ?= 10s

GOLANGCI_VERSION := v2.15.0
GOLANGCI         := $(CACHE)/bin/golangci-lint-$(GOLANGCI_VERSION)

# Packages with tests that need real servers; these files have the build tag e2e.
E2E_ALL  = $(filter-out ./cmd/chaos,$(shell grep -rl --include='*_test.go' '^//go:build.*e2e' . | xargs -r -n1 dirname | sort -u))
# Connectors run theirs with -race.
E2E_RACE = $(filter ./connectors/%,$(E2E_ALL))
E2E      = $(filter-out $(E2E_RACE),$(E2E_ALL))

.PHONY: build release test test-unit test-e2e test-race chaos lint bench fuzz servers clean

build:
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/penstock

# The same commit and version give the same bytes, whoever builds: no paths, no times, no
# owners. Go's own version is the one that go.mod names.
VERSION  ?= 0.0.0-$(shell git rev-parse --short=12 HEAD)
PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

release:
	rm -rf bin/release && mkdir -p bin/release
	set -e; for platform in $(PLATFORMS); do \
		os=$${platform%/*} arch=$${platform#*/} name=penstock_$(VERSION)_$${platform%/*}_$${platform#*/}; \
		mkdir bin/release/$$name; cp LICENSE README.md bin/release/$$name; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -buildvcs=false \
			-ldflags='-s -w -buildid= -X github.com/penstock-io/penstock/cmd/penstock/cli.release=$(VERSION)' \
			-o bin/release/$$name/penstock ./cmd/penstock; \
		tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -C bin/release -cf - $$name | gzip -n9 >bin/release/$$name.tar.gz; \
		rm -r bin/release/$$name; \
	done
	cd bin/release && sha256sum *.tar.gz >SHA256SUMS

test: test-unit test-e2e test-race chaos

# Unit tests, and those on embedded servers.
test-unit:
	go test -race -shuffle=on -timeout $(LIMIT) ./...

# End to end, on a real Redis and a real Kafka that are started once for all. More at
# once than there are cores: most of them wait for a server that was killed. Watermill's
# suite on Redis is shortened under -race, and runs in full here.
test-e2e: $(CACHE)/bin/servers
	$(CACHE)/bin/servers -limit $(LIMIT) go test -tags e2e -shuffle=on -parallel 4 -timeout $(LIMIT) $(E2E)
	$(CACHE)/bin/servers -limit $(LIMIT) go test -tags e2e -count=1 -timeout $(LIMIT) -run '^TestUniversal$$' ./connectors/redis

test-race: $(CACHE)/bin/servers
	$(CACHE)/bin/servers -limit $(LIMIT) go test -race -tags e2e -shuffle=on -timeout $(LIMIT) $(E2E_RACE)

# By itself, since it wants the whole machine: what is promised while everything breaks,
# and then the proof that this would be noticed. It starts its own servers.
chaos: servers
	go run ./cmd/chaos $(CHAOS)
	go test -tags e2e -count=1 -timeout $(LIMIT) -run TestProofOfTheProof ./cmd/chaos

# Installs redis-server, Java and Apache Kafka where they are missing.
servers:
	.ci/install

test-unit: servers

# The go command knows best whether it is up to date.
.PHONY: $(CACHE)/bin/servers
$(CACHE)/bin/servers: servers
	go build -o $@ ./pipeline/pipelinetest/cmd/servers

lint: $(GOLANGCI)
	$(GOLANGCI) run

$(GOLANGCI):
	GOBIN=$(CACHE)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(CACHE)/bin/golangci-lint $@

bench: servers
	go run ./cmd/bench

# Each fuzz test for a short while.
fuzz:
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | while IFS=: read -r file func; do \
		go test -run '^$$' -fuzz "^$${func#func }$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" || exit 1; \
	done

clean:
	rm -rf bin $(CACHE)
