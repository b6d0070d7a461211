# Compiler warnings, hardening and sanitizers, set on targets through interface libraries:
# `project_options` for everything that we compile, `test_options` in its place for tests,
# `hardened_executable` for what we ship.
set(EPHEMERAL_SANITIZERS "" CACHE STRING "Comma-separated sanitizers, as in -fsanitize=")
option(EPHEMERAL_FUZZ "Build libFuzzer targets (needs Clang)" OFF)

add_library(project_options INTERFACE)
target_compile_options(project_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  -Wold-style-cast -Wcast-qual -Wimplicit-fallthrough -Werror
  -fstack-protector-strong -fcf-protection=full -fno-strict-aliasing)
# The same sources make the same programs wherever they lie and whenever they are compiled: paths stand in
# them as a compiler cache makes them, relative to the folder of the build, and no time does.
file(RELATIVE_PATH up ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR})
target_compile_options(project_options INTERFACE
  -Wdate-time -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=${up} -ffile-prefix-map=${PROJECT_BINARY_DIR}/=)
# Seen: GCC 12 reports impossible overflows inside libstdc++'s own vector and string code.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(project_options INTERFACE
    -fstack-clash-protection -Wno-error=stringop-overflow -Wno-error=array-bounds
    -Wno-error=stringop-overread -Wno-error=restrict -Wno-error=maybe-uninitialized)
endif()

if(EPHEMERAL_SANITIZERS)
  target_compile_options(project_options INTERFACE
    -fsanitize=${EPHEMERAL_SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1)
  target_link_options(project_options INTERFACE -fsanitize=${EPHEMERAL_SANITIZERS})
  target_compile_definitions(project_options INTERFACE EPHEMERAL_SANITIZED=1)
  # Seen: Clang 14 can't assemble coroutines with it (`Cannot represent a difference across sections`).
  if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    target_compile_options(project_options INTERFACE -fno-sanitize=function)
  endif()
else()
  target_compile_options(project_options INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
  target_compile_definitions(project_options INTERFACE _GLIBCXX_ASSERTIONS)
endif()
if(EPHEMERAL_FUZZ)
  target_compile_options(project_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
# So that what only signs mock evidence isn't linked although it shares a file with what verifies.
target_compile_options(project_options INTERFACE -ffunction-sections)
if(EPHEMERAL_PLATFORM STREQUAL production)
  # Without what debuggers read: it names folders, and an enclave shows it to nobody.
  target_link_options(project_options INTERFACE -Wl,--gc-sections -Wl,--strip-debug)
endif()
# For the few sources that ask: all others compile to the same object on either platform, once.
string(TOUPPER "EPHEMERAL_PLATFORM_${EPHEMERAL_PLATFORM}=1" EPHEMERAL_PLATFORM_DEFINITION)

add_library(test_options INTERFACE)
target_link_libraries(test_options INTERFACE project_options)
# Tests are compiled once and run for a moment.
target_compile_options(test_options INTERFACE -O1)

add_library(hardened_executable INTERFACE)
target_link_options(hardened_executable INTERFACE
  -Wl,--build-id=sha1 -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,ibt -Wl,-z,shstk -Wl,--as-needed)

# Archives without times and owners.
set(CMAKE_CXX_ARCHIVE_CREATE "<CMAKE_AR> qcD <TARGET> <LINK_FLAGS> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_APPEND "<CMAKE_AR> qD <TARGET> <LINK_FLAGS> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "<CMAKE_RANLIB> -D <TARGET>")
