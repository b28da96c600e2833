# Makefile - `make demo` shows the project at work, `make test` proves it, `make help` has the rest.
#
# Sources are found by their folder: a new .cpp needs no line here, except in TEST_NAMES if it tests
# AVX-512. A configuration is built into a folder of its own: build/ (float), build/double
# (REAL=double), build/asan, build/asan-kernels, build/asan-avx2 and, by clang, build/tsan and
# build/fuzz (CONFIG=); all of it is compiled again when the flags change.

VERSION := $(shell sed -nE 's/^.define STFLOW_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+)$$/\2/p' tensor/version.h | \
  paste -sd .)

empty :=
space := $(empty) $(empty)

# Settings, to be given on the command line: make REAL=double CXXFLAGS=-march=native all
REAL     := float
CONFIG   := $(if $(filter double,$(REAL)),double)
BUILD    := build
WERROR   :=
V        :=
PREFIX   := /usr/local
DESTDIR  :=
JOBS     := $(shell nproc 2>/dev/null || echo 2)
CXXFLAGS ?=
LDFLAGS  ?=
DEMO_ARGS := --epochs 70

ifeq ($(CONFIG),double)
  REAL := double
endif

OUT := $(BUILD)$(addprefix /,$(CONFIG))

# What is compiled; of asan-kernels and asan-avx2 the lowest layer and what tests its kernels for
# floats, with AVX-512 and without
LIBRARY    := tensor tensor/kernels autodiff nn estimators estimators/distributions estimators/rules \
  estimators/flow estimators/lab datasets train train/console
LAYERS     := $(LIBRARY)
TEST_NAMES := *
ifneq ($(filter asan-kernels asan-avx2,$(CONFIG)),)
  LAYERS     := tensor tensor/kernels
  TEST_NAMES := blas gemm two_value_gemm
endif
# Of tsan what several threads do
ifeq ($(CONFIG),tsan)
  TEST_NAMES := threads parallel tensor var grad rng math reduce layout blas gemm two_value_gemm optim batches digits
endif
files     = $(sort $(wildcard $(1)))
LIB_SRC  := $(call files,$(LAYERS:%=%/*.cpp))
LIB_HDR  := $(call files,$(LAYERS:%=%/*.h))
# What users include: of tensor/kernels/ only what a fused formula of their own needs.
PUBLIC_HDR := $(filter-out tensor/kernels/%,$(LIB_HDR)) $(addprefix tensor/kernels/,map.h simd.h cpu.h)
COMMON_SRC := $(if $(filter asan-kernels asan-avx2 tsan,$(CONFIG)),,$(call files,examples/models/*.cpp examples/paper/*.cpp))
PROGRAM_SRC := $(call files,examples/*.cpp)
TEST_SRC := tests/main.cpp $(call files,$(TEST_NAMES:%=tests/test_%.cpp))
BENCH_SRC := $(call files,tests/bench/*.cpp)
TOOL_SRC := tests/planted_race.cpp tests/fault_shim.cpp
FUZZ_SRC := $(call files,tests/fuzz/*.cpp)
CPP      := $(LIB_SRC) $(COMMON_SRC) $(PROGRAM_SRC) $(TEST_SRC) $(BENCH_SRC) $(TOOL_SRC) $(FUZZ_SRC)
HEADERS  := $(LIB_HDR) $(call files,examples/models/*.h examples/paper/*.h tests/*.h tests/bench/*.h tests/fuzz/*.h)
SOURCES  := $(CPP) $(HEADERS) $(call files,tests/install/*.cpp)

LIB      := $(OUT)/libstflow.a
COMMON   := $(if $(COMMON_SRC),$(OUT)/libcommon.a)
PROGRAMS := $(PROGRAM_SRC:examples/%.cpp=$(OUT)/%)
TESTS    := $(OUT)/tests
FUZZERS  := $(FUZZ_SRC:tests/fuzz/%.cpp=$(OUT)/%)
object    = $(patsubst %.cpp,$(OUT)/obj/%.o,$(1))

# Flags. -ffp-contract=off: the same bits on every processor. The two -fno-... let loops vectorise
# without the liberties of -ffast-math. -Wno-restrict: g++ 12 has false alarms (bug 105651);
# -Wno-pass-failed: clang without optimisation does not vectorise what is marked.
OPTIMISE := -O3
# Tests take long to compile, not to run; so does what programs share.
OPTIMISE_TESTS  := -O1
OPTIMISE_COMMON := -O1
ifneq ($(filter asan%,$(CONFIG)),)
  OPTIMISE_TESTS  := -O0 -fno-sanitize=undefined
  OPTIMISE_COMMON := -O0
  OPTIMISE := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
endif
ifeq ($(CONFIG),asan-avx2)
  OPTIMISE += -DSTFLOW_NO_AVX512
endif
# g++ cannot follow what OpenMP's library does between threads.
ifeq ($(CONFIG),tsan)
  CXX := clang++
  OPTIMISE := -O1 -g1 -fsanitize=thread
endif
ifeq ($(CONFIG),fuzz)
  CXX := clang++
  OPTIMISE := -O1 -g1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
    -fno-sanitize-recover=all
endif
BLAS_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags openblas 2>/dev/null))
BLAS_LIBS   := $(shell pkg-config --libs openblas 2>/dev/null || echo -lopenblas)
LIBS        := $(strip $(BLAS_LIBS)) -lz -fopenmp
COMPILE = $(strip $(CXX) -std=c++20 $(OPTIMISE) -fopenmp -ffp-contract=off -fno-math-errno \
  -fno-trapping-math -Wall -Wextra -Wshadow -Wpedantic \
  $(if $(findstring clang,$(CXX)),-Wno-pass-failed,-Wno-restrict) $(if $(WERROR),-Werror) -I. -I$(BUILD)/include \
  $(BLAS_CFLAGS) -DSTFLOW_REAL=$(REAL) $(CXXFLAGS))
LINK = $(CXX) $(OPTIMISE) $(CXXFLAGS) $(LDFLAGS)

# One short line a file; V=1 shows the commands.
Q := $(if $(V),,@)
say = @$(if $(V),:,printf '  %-5s %s\n' '$(1)' '$(2)')
# The targets for users build in a make of their own, with all processors unless the caller chose a
# -j. They run one after another, so that no two of these write the same file.
SUBMAKE = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))
ifneq ($(filter demo test test-long bench bench-peers bench-scaling bounds bench-instructions figures table2 smoke asan tsan faults fuzz,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

.PHONY: help all demo test test-long deps bench bench-deps bench-peers bench-instructions bench-scaling bounds figures table2 mnist smoke asan tsan faults fuzz fuzzers headers \
  layers format format-check tidy install uninstall clean tests FORCE
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

help: ## this list
	@echo "stflow $(VERSION): deep learning with discrete sampling nodes"
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "Settings: REAL=float|double CONFIG=asan|asan-kernels|asan-avx2 BUILD=DIR CXX= CXXFLAGS= WERROR=1 V=1 JOBS=$(JOBS)"
	@echo "          PREFIX=$(PREFIX) DESTDIR= DEMO_ARGS='$(DEMO_ARGS)'"

all: $(LIB) $(PROGRAMS) ## the library and the example programs, into build/

tests: $(TESTS) ## the test program, build/tests

demo: ## install what is missing, build, train a Bernoulli VAE on real data (about two minutes)
	@CXX='$(CXX)' .ci/deps.sh demo
	+@$(SUBMAKE) REAL=float CONFIG= all
	$(BUILD)/bernoulli_vae $(DEMO_ARGS)

test: ## install what is missing, then run every test, in float and in double
	@CXX='$(CXX)' .ci/deps.sh demo
	+@$(SUBMAKE) REAL=float CONFIG= all tests
	+@$(SUBMAKE) REAL=double CONFIG=double tests
	@MAKE='$(MAKE_COMMAND)' CXX='$(CXX)' tests/run.sh all '$(BUILD)'

test-long: ## what takes longer: runs killed and resumed, again and again
	+@$(SUBMAKE) REAL=float CONFIG= all
	@tests/run.sh long '$(BUILD)'

deps: ## install the packages that are missing (apt-get)
	@CXX='$(CXX)' .ci/deps.sh all

# Compiling and linking.

# The folders under the name that they have once installed: #include "stflow/nn/linear.h".
INCLUDE := $(BUILD)/include/stflow
$(INCLUDE):
	@mkdir -p $@.new && ln -sfnrt $@.new $(sort $(foreach folder,$(LIBRARY),$(firstword $(subst /, ,$(folder))))) \
	  train/stflow.h && mv $@.new $@

$(OUT)/obj/%.o: %.cpp $(OUT)/flags | $(INCLUDE)
	@mkdir -p $(@D)
	$(call say,CXX,$<$(CONFIG:%= [%]))
	$(Q)$(COMPILE) $(if $(filter tests/test_%,$<),$(OPTIMISE_TESTS) $(PCH:%=-include %)) \
	  $(if $(filter train/% examples/models/% examples/paper/%,$<),$(OPTIMISE_COMMON)) -MMD -MP -c $< -o $@

# What every test includes, compiled once: a fifth of the time that tests take. Not by clang, nor for the sanitizers.
PCH := $(if $(CONFIG:double=)$(findstring clang,$(CXX)),,$(OUT)/pch/tests.h)
ifneq ($(PCH),)
$(PCH).gch: $(OUT)/flags | $(INCLUDE)
	@mkdir -p $(@D) && echo '#include "tests/testing.h"' > $(PCH)
	$(call say,CXX,tests/testing.h$(CONFIG:%= [%]))
	$(Q)$(COMPILE) $(OPTIMISE_TESTS) -MMD -MP -MF $(PCH).d -MT $@ -x c++-header $(PCH) -o $@
-include $(PCH).d
$(call object,$(call files,tests/test_*.cpp)): $(PCH).gch
endif

$(LIB): $(call object,$(LIB_SRC)) $(OUT)/objects
$(COMMON): $(call object,$(COMMON_SRC)) $(OUT)/objects
$(LIB) $(COMMON):
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)

$(PROGRAMS): $(OUT)/%: $(OUT)/obj/examples/%.o $(COMMON) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(LINK) $^ $(LIBS) -o $@

# Where a JPEG ends early, stb_image 2.27 goes on with zeros and shifts them by more than 31 places:
# undefined behaviour, but zeros all the same.
$(OUT)/obj/datasets/stb_image.o: private CXXFLAGS += -fno-sanitize=shift-exponent

# LibTorch, a peer to be measured against, never needed to build.
TORCH := $(wildcard /usr/include/torch/csrc/api/include/torch/torch.h)
TORCH_BENCH := $(if $(TORCH),$(OUT)/bench_torch)
$(OUT)/obj/tests/bench/bench_torch.o: override CXXFLAGS += -isystem /usr/include/torch/csrc/api/include -Wno-shadow
$(OUT)/bench_torch: LIBS += -ltorch -ltorch_cpu -lc10

$(OUT)/bench: $(call object,$(filter-out tests/bench/bench_torch.cpp,$(BENCH_SRC)))
$(OUT)/bench_torch: $(call object,tests/bench/bench_torch.cpp tests/bench/job.cpp)
$(OUT)/bench $(OUT)/bench_torch: $(COMMON) $(LIB) $(OUT)/objects
	$(call say,LINK,$@)
	$(Q)$(LINK) $(filter %.o,$^) $(COMMON) $(LIB) $(LIBS) -o $@

$(TESTS): $(call object,$(TEST_SRC)) $(COMMON) $(LIB) $(OUT)/objects
	$(call say,LINK,$@)
	$(Q)$(LINK) $(filter %.o,$^) $(COMMON) $(LIB) $(LIBS) -o $@

$(OUT)/planted_race: $(OUT)/obj/tests/planted_race.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(LINK) $^ $(LIBS) -o $@

$(OUT)/fault_shim.so: tests/fault_shim.cpp $(OUT)/flags
	$(call say,CXX,$<)
	$(Q)$(COMPILE) -fno-openmp -shared -fPIC $< -o $@

fuzzers: $(FUZZERS)

$(FUZZERS): $(OUT)/%: $(OUT)/obj/tests/fuzz/%.o $(COMMON) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(LINK) -fsanitize=fuzzer $^ $(LIBS) -o $@

# Two files that change only when their text does: what depends on them is then made again.
$(OUT)/flags: export TEXT = $(COMPILE)
$(OUT)/objects: export TEXT = $(CPP)
$(OUT)/flags $(OUT)/objects: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$TEXT" | cmp -s - $@ || printf '%s\n' "$$TEXT" > $@

-include $(patsubst %.o,%.d,$(call object,$(CPP)))

bench: ## how long a training step takes, beside LibTorch's if libtorch-dev is there (minutes)
	+@$(SUBMAKE) $(OUT)/bench $(TORCH_BENCH)
	$(OUT)/bench

bench-scaling: ## a step against width, batch, depth and latents, and the machine's limits
	+@$(SUBMAKE) $(OUT)/bench
	$(OUT)/bench --case scaling --picture $(OUT)/scaling

BOUNDS_ARGS :=
bounds: ## each kernel of a step beside what the machine can do, into build/bounds.md (BOUNDS_ARGS='--batch 50')
	+@$(SUBMAKE) $(OUT)/bench
	$(OUT)/bench --case bounds $(BOUNDS_ARGS) > $(OUT)/bounds.md
	@cat $(OUT)/bounds.md

# JAX and PyTorch 2, in an environment of their own: for the race alone, and for nobody who builds or tests.
PEERS_VENV := $(BUILD)/peers-venv
$(PEERS_VENV)/installed:
	python3 -m venv '$(PEERS_VENV)'
	'$(PEERS_VENV)/bin/pip' install --no-cache-dir torch==2.13.0 jax==0.10.2 jaxlib==0.10.2 numpy
	@touch $@

ISA :=
PEERS_ARGS :=
PEERS_OUT := $(BUILD)$(ISA:%=/%)
bench-peers: $(PEERS_VENV)/installed ## beside JAX and PyTorch 2, into build/peers.md (20 minutes; SHORT=1: 5; ISA=avx2)
	+@$(SUBMAKE) REAL=float CONFIG= BUILD='$(PEERS_OUT)' $(if $(filter avx2,$(ISA)),CXXFLAGS='$(CXXFLAGS) -DSTFLOW_NO_AVX512') \
	  '$(PEERS_OUT)/bench' $(if $(TORCH),'$(PEERS_OUT)/bench_torch')
	'$(PEERS_VENV)/bin/python' tests/bench/peers/race.py --programs '$(PEERS_OUT)' --out '$(BUILD)/peers$(ISA:%=-%).md' \
	  $(if $(SHORT),--short) $(ISA:%=--isa %) $(PEERS_ARGS)

bench-instructions: ## instructions of a step, counted by callgrind, beside those recorded (RECORD=1: record)
	+@$(SUBMAKE) $(OUT)/bench
	@tests/bench/instructions.sh $(OUT)/bench

bench-deps: ## as root: install LibTorch, to be measured against (apt-get)
	apt-get install -y --no-install-recommends libtorch-dev

figures: ## the paper's Figure 3, Table 1 and their controls, into build/figures (minutes)
	+@$(SUBMAKE) $(OUT)/poisson_gan
	@rm -rf '$(OUT)/figures/poisson_gan'
	$(OUT)/poisson_gan --rule all --controls --out '$(OUT)/figures/poisson_gan'

# Every cell of the paper's Table 2 and four rules that it does not have. Stop it and start it again: what has
# finished is kept, the rest goes on, and more EPOCHS or SEEDS extend it.
EPOCHS   := 300
SEEDS    := 1
BINARIZE := threshold
RULES    := mmd,st,arm,relax,rebar,gumbel-softmax,reinmax,disarm,leave-one-out,muprop
TABLE2   := runs/table2-$(BINARIZE)
table2: ## the paper's Table 2, whole (EPOCHS, SEEDS, BINARIZE, RULES, TABLE2=folder; hours)
	+@$(SUBMAKE) all
	$(OUT)/compare_estimators --arch all --rule $(RULES) --seeds $(SEEDS) --published --out $(TABLE2) -- \
	  --dataset mnist --binarize $(BINARIZE) --track-variance 10000 --variance-draws 100 --nll-samples 100 \
	  --epochs $(EPOCHS)

# Data

mnist: ## download MNIST and verify it (DATA=folder; default ~/.local/share/stflow/mnist)
	@datasets/download_mnist.sh '$(DATA)'

# Checks

smoke: ## run every example program for a few seconds
	+@$(SUBMAKE) all
	@tests/smoke.sh $(PROGRAMS)

asan: ## every test under the address, leak and undefined-behaviour sanitizers
	+@$(SUBMAKE) REAL=double CONFIG=asan tests
	+@$(SUBMAKE) REAL=float CONFIG=asan-kernels tests
	+@$(SUBMAKE) REAL=float CONFIG=asan-avx2 tests
	@tests/run.sh suite '$(BUILD)/asan' '$(BUILD)/asan-kernels' '$(BUILD)/asan-avx2'

tsan: ## what threads do together, under the thread sanitizer (clang); a planted race must be found
	+@$(SUBMAKE) REAL=float CONFIG=tsan tests '$(BUILD)/tsan/planted_race'
	@tests/run.sh tsan '$(BUILD)/tsan'

faults: ## every call that changes files fails, or kills, in turn (minutes; SHORT=1: some of them)
	+@$(SUBMAKE) REAL=float CONFIG= all '$(BUILD)/fault_shim.so'
	@tests/faults.sh '$(BUILD)' $(if $(SHORT),13)

SECONDS := 60
fuzz: ## files that nobody wrote, under the sanitizers, SECONDS=60 for each of the readers (clang)
	+@$(SUBMAKE) REAL=float CONFIG=fuzz fuzzers
	@tests/fuzz/run.sh '$(BUILD)/fuzz' '$(SECONDS)'

# Fuzzers are clang's alone.
headers: $(patsubst %,$(OUT)/headers/%.ok,$(filter-out tests/fuzz/%,$(HEADERS))) ## does each header compile on its own?

$(OUT)/headers/%.ok: % $(OUT)/flags | $(INCLUDE)
	@mkdir -p $(@D)
	$(call say,CHECK,$<)
	$(Q)echo '#include "$<"' | $(COMPILE) -fsyntax-only -MMD -MP -MT $@ -MF $(@:.ok=.d) -x c++ -
	@touch $@

-include $(HEADERS:%=$(OUT)/headers/%.d)

layers: ## do includes respect the layers, and files their size limits?
	@tests/layers.sh

format: ## clang-format every source
	clang-format -i $(SOURCES)

format-check: ## is every source formatted?
	@clang-format --dry-run -Werror $(SOURCES)

TIDY_CHECKS := bugprone-*,performance-*,misc-redundant-expression,$\
  -bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions,$\
  -bugprone-implicit-widening-of-multiplication-result
tidy: ## clang-tidy over the library and the programs (minutes)
	clang-tidy --quiet --checks='$(TIDY_CHECKS)' $(filter-out tests/%,$(CPP)) -- \
	  -std=c++20 -I. -I$(BUILD)/include $(BLAS_CFLAGS) -DSTFLOW_REAL=$(REAL)

# Installing: headers, library, programs, and what pkg-config and CMake need. A double build has names of its own, so
# that both live in one prefix: link one of them.

NAME   := stflow$(if $(filter double,$(REAL)),-double)
DOCS   := LICENSE $(call files,*.md estimators/*.md examples/*.md tensor/kernels/*.md tests/bench/*.md \
  examples/pictures/*.png tests/bench/*.png)
# The library needs no more of OpenMP than its run-time library; so users need no -fopenmp.
OPENMP := $(if $(findstring clang,$(CXX)),-lomp,-lgomp)

define PC_FILE
prefix=$(PREFIX)
includedir=$${prefix}/include
libdir=$${prefix}/lib

Name: $(NAME)
Description: Deep learning with discrete sampling nodes and a choice of gradient estimators
Version: $(VERSION)
Cflags: -std=c++20 -DSTFLOW_REAL=$(REAL) -I$${includedir}
Libs: -L$${libdir} -l$(NAME) $(strip $(BLAS_LIBS)) -lz $(OPENMP)
endef

define CMAKE_FILE
# find_package(stflow), then target_link_libraries(program stflow::stflow), or stflow::stflow-double.
get_filename_component(prefix "$${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
foreach(kind stflow:float stflow-double:double)
  string(REPLACE ":" ";" kind "$${kind}")
  list(GET kind 0 name)
  list(GET kind 1 real)
  set(archive "$${prefix}/lib/lib$${name}.a")
  if(EXISTS "$${archive}" AND NOT TARGET stflow::$${name})
    add_library(stflow::$${name} STATIC IMPORTED)
    set_target_properties(stflow::$${name} PROPERTIES IMPORTED_LOCATION "$${archive}"
      INTERFACE_INCLUDE_DIRECTORIES "$${prefix}/include" INTERFACE_COMPILE_FEATURES cxx_std_20
      INTERFACE_COMPILE_DEFINITIONS STFLOW_REAL=$${real}
      INTERFACE_LINK_LIBRARIES "$(subst $(space),;,$(strip $(BLAS_LIBS)) -lz $(OPENMP))")
  endif()
endforeach()
endef

define CMAKE_VERSION_FILE
set(PACKAGE_VERSION $(VERSION))
if(PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
endif()
endef

# `g++ $(pkg-config ...)` splits words at spaces, and finds a relative folder from one folder only.
CHECK_PREFIX = set -e; case '$(PREFIX)' in \
  *[[:space:]]*) echo "error: PREFIX='$(PREFIX)' has a space in it; pkg-config cannot name such a folder" >&2; exit 2 ;; \
  /*) ;; *) echo "error: PREFIX='$(PREFIX)' is not absolute; try PREFIX=\"\$$PWD/$(PREFIX)\"" >&2; exit 2 ;; esac

install: export PC_TEXT = $(PC_FILE)
install: export CMAKE_TEXT = $(CMAKE_FILE)
install: export CMAKE_VERSION_TEXT = $(CMAKE_VERSION_FILE)
# Programs are those of a float build.
TO_BIN := $(if $(filter float,$(REAL)),$(PROGRAM_SRC:examples/%.cpp=%))
install: $(LIB) $(TO_BIN:%=$(OUT)/%) ## install headers, library, programs, for pkg-config and CMake (PREFIX, DESTDIR)
	@$(CHECK_PREFIX); root="$(DESTDIR)$(PREFIX)"; \
	for header in $(PUBLIC_HDR); do install -D -m 644 $$header "$$root/include/stflow/$$header"; done; \
	mv "$$root/include/stflow/train/stflow.h" "$$root/include/stflow/stflow.h"; \
	install -D -m 644 $(LIB) "$$root/lib/lib$(NAME).a"; \
	install -d "$$root/lib/pkgconfig" "$$root/lib/cmake/stflow" "$$root/bin"; \
	printf '%s\n' "$$PC_TEXT" > "$$root/lib/pkgconfig/$(NAME).pc"; \
	printf '%s\n' "$$CMAKE_TEXT" > "$$root/lib/cmake/stflow/stflow-config.cmake"; \
	printf '%s\n' "$$CMAKE_VERSION_TEXT" > "$$root/lib/cmake/stflow/stflow-config-version.cmake"; \
	for program in $(TO_BIN); do \
	  install -D -m 755 $(OUT)/$$program "$$root/lib/stflow/$$program"; \
	  ln -sf ../lib/stflow/$$program "$$root/bin/stflow-$$(echo $$program | tr _ -)"; done; \
	for page in $(DOCS); do install -D -m 644 $$page "$$root/share/doc/stflow/$$page"; done
	@echo "installed $(NAME) $(VERSION) in $(DESTDIR)$(PREFIX)"

uninstall: ## remove what install put there
	@$(CHECK_PREFIX); root="$(DESTDIR)$(PREFIX)"; \
	rm -rf "$$root/include/stflow" "$$root/lib/cmake/stflow" "$$root/share/doc/stflow" "$$root/lib/stflow"; \
	for name in stflow stflow-double; do \
	  rm -f "$$root/lib/lib$$name.a" "$$root/lib/pkgconfig/$$name.pc"; done; \
	for program in $(PROGRAM_SRC:examples/%.cpp=%); do rm -f "$$root/bin/stflow-$$(echo $$program | tr _ -)"; done

clean: ## remove build/
	rm -rf '$(BUILD)'
