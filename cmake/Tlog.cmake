# What all our targets share: warnings, sanitizers, and the functions that declare a library or a test.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)

find_program(TLOG_CCACHE ccache)
if(TLOG_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${TLOG_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${TLOG_CCACHE})
endif()
find_program(TLOG_MOLD mold)
if(TLOG_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(tlog_options INTERFACE)
target_include_directories(tlog_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_compile_options(tlog_options INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wformat=2
  -fvisibility=hidden -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(tlog_options INTERFACE -Wthread-safety)
endif()
if(TLOG_SANITIZE)
  target_compile_options(tlog_options INTERFACE -fsanitize=${TLOG_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(tlog_options INTERFACE -fsanitize=${TLOG_SANITIZE})
  if(TLOG_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # They take a quarter of the compiler's time, and address reports a null dereference as well. clang, under which the
    # parsers are fuzzed, keeps them.
    target_compile_options(tlog_options INTERFACE -fno-sanitize=null,vptr)
  endif()
  # Tests look at the libraries; nothing looks at the tests.
  if(TLOG_SANITIZE MATCHES "undefined")
    target_compile_options(tlog_options INTERFACE
      $<$<BOOL:$<TARGET_PROPERTY:TLOG_TEST>>:-fno-sanitize=undefined>)
  endif()
  if(TLOG_SANITIZE MATCHES "thread")
    # gcc cannot follow std::atomic_thread_fence under tsan; we use none on purpose.
    target_compile_options(tlog_options INTERFACE -Wno-tsan)
  endif()
endif()
if(TLOG_FUZZ)
  # Coverage of the libraries guides the fuzzer; its main() comes with the targets alone.
  target_compile_options(tlog_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
target_link_libraries(tlog_options INTERFACE Threads::Threads fmt::fmt)

# tlog_library(NAME SOURCES ... DEPS ... PRIVATE_DEPS ...): one static library for a folder.
# DEPS are our own folders (the include graph); PRIVATE_DEPS third-party libraries that no header shows.
function(tlog_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC tlog_options ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
endfunction()

# tlog_plain(FILE...): sources of the target's folder that only read a command line. Built without optimisation where
# sanitizers are and in tests, because the templates of the command-line library take longer to optimise than all that
# they are for.
function(tlog_plain)
  set(tests_folder ${PROJECT_SOURCE_DIR}/tests)
  cmake_path(IS_PREFIX tests_folder "${CMAKE_CURRENT_SOURCE_DIR}" is_test)
  if(TLOG_SANITIZE OR is_test)
    set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS -O0)
  endif()
endfunction()

# What runs under tsan: the tests labelled `engine`. What the quick suite needs: those labelled `quick`.
add_custom_target(engine_tests)
add_custom_target(quick_tests)

# What a test asks is answered by the libraries, which are built as they are shipped; the questions themselves need no
# optimisation, and without it they compile three times as fast.
function(tlog_test_options name)
  target_compile_options(${name} PRIVATE -O0 -g1)
  set_property(TARGET ${name} PROPERTY TLOG_TEST ON)
endfunction()

# tlog_test(NAME SOURCES ... DEPS ... LABELS quick|slow ... TIMEOUT seconds): a GoogleTest program, one ctest entry.
# quick: belongs to `scripts/test --quick`; engine: also run under tsan. What may take longest is begun first, so that
# no processor is left with one long test at the end.
function(tlog_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS;LABELS;ENVIRONMENT" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE tlog_options ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  tlog_test_options(${name})
  if(TLOG_TEST_PCH)
    target_precompile_headers(${name} REUSE_FROM tlog_test_pch)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  if("engine" IN_LIST ARG_LABELS)
    add_dependencies(engine_tests ${name})
  endif()
  if("quick" IN_LIST ARG_LABELS)
    add_dependencies(quick_tests ${name})
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} COST ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
                       ENVIRONMENT "${ARG_ENVIRONMENT}")
endfunction()
