# A thin front to Meson: what people type. `make help` lists it.
BUILD ?= build
PYTHON ?= /usr/bin/python3

.PHONY: all help deps run check test check-all bench fuzz docs format install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

help:
	@echo 'make            build'
	@echo 'make run        install what is missing, build, and run a server to try, on 127.0.0.1'
	@echo 'make check      what takes seconds: unit tests, fuzz corpora, layers, layout, manual pages'
	@echo 'make test       everything that CI runs; ends with "N passed, N failed"'
	@echo 'make check-all  make test, and the long ones: fuzzing, 1,000 crashes, 300 power cuts; an hour and a half'
	@echo 'make bench      measure, beside Dovecot, which it installs'
	@echo 'make fuzz       each fuzz target for FUZZ_SECONDS (60), with clang'
	@echo 'make docs       put the tables into the manual pages'
	@echo 'make format     lay out the source'
	@echo 'make install    install into PREFIX (/usr/local), DESTDIR'

$(BUILD)/build.ninja:
	@command -v meson >/dev/null && command -v ninja >/dev/null || tools/install-deps
	@meson setup $(BUILD) >/dev/null

deps:
	@tools/install-deps

run: deps all
	@tools/run $(BUILD)

check: all
	@$(PYTHON) tools/test --build $(BUILD) --quick

test:
	@tools/install-deps --test
	@$(PYTHON) tools/test --build $(BUILD)

check-all:
	@tools/install-deps --long
	@$(PYTHON) tools/test --build $(BUILD) --long

bench:
	@tools/install-deps --bench
	@$(MAKE) --no-print-directory all
	@$(PYTHON) bench/run.py --build $(BUILD) --out $(BUILD)/bench.md
	@$(PYTHON) bench/curves.py --build $(BUILD) --out $(BUILD)/curves.md
	@echo 'All tables are in $(BUILD)/bench.md and $(BUILD)/curves.md; bench/RESULTS.md tells what they mean.'

fuzz:
	@tools/install-deps --long
	@$(PYTHON) tools/test --build $(BUILD) --fuzz $(or $(FUZZ_SECONDS),60)

docs: all
	@$(PYTHON) tools/make-docs $(BUILD)

format:
	@find src bench tests -name '*.[ch]' -print0 | xargs -0 clang-format -i

install: $(BUILD)/build.ninja
	@[ -z "$(PREFIX)" ] || meson configure $(BUILD) -Dprefix="$(PREFIX)"
	@ninja -C $(BUILD)
	@meson install -C $(BUILD) --no-rebuild

clean:
	@rm -rf $(BUILD) $(BUILD)-*
