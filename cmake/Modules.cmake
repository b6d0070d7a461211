# add_module(PATH HEADERS ... SOURCES ... USES ... LIBRARIES ... TESTS ... TEST_USES ...)
#
# One folder = one target = one namespace = one include prefix. USES lists the modules (by path) that
# this one may include; scripts/check-layers reads the same list and refuses any other include.
# TESTS become one executable, PATH with '_' for '/', ending in `_test`.
include(GoogleTest)

function(add_module path)
  cmake_parse_arguments(M "" "" "HEADERS;SOURCES;USES;LIBRARIES;TESTS;TEST_USES;TEST_LIBRARIES" ${ARGN})
  string(REPLACE "/" "_" target ${path})
  if(M_SOURCES)
    add_library(${target} STATIC ${M_SOURCES})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE project_options)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  if(M_HEADERS)
    target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${M_HEADERS})
  endif()
  target_include_directories(${target} ${scope} ${PROJECT_SOURCE_DIR})
  string(REPLACE "/" "_" uses "${M_USES}")
  target_link_libraries(${target} ${scope} ${uses} ${M_LIBRARIES})
  if(M_TESTS AND BUILD_TESTING)
    add_executable(${target}_test ${M_TESTS})
    string(REPLACE "/" "_" test_uses "${M_TEST_USES}")
    target_link_libraries(${target}_test PRIVATE
      test_options ${target} ${test_uses} ${M_TEST_LIBRARIES} GTest::gmock GTest::gtest_main)
    gtest_discover_tests(${target}_test TEST_PREFIX "${path}/" PROPERTIES LABELS unit TIMEOUT 300
      DISCOVERY_TIMEOUT 60)
  endif()
endfunction()

# add_program(NAME [STATIC] SOURCES ... USES ...): an executable that we ship, hardened; STATIC: without
# any library beside it.
function(add_program name)
  cmake_parse_arguments(P "STATIC" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  add_executable(${name} ${P_SOURCES})
  string(REPLACE "/" "_" uses "${P_USES}")
  target_link_libraries(${name} PRIVATE project_options hardened_executable ${uses} ${P_LIBRARIES})
  target_link_options(${name} PRIVATE $<IF:$<BOOL:${P_STATIC}>,-static-pie,-pie>)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  install(TARGETS ${name})
endfunction()
