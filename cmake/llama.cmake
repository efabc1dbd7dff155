# Target llem_llama: llama.cpp and ggml with llama.h, gguf.h, ggml.h, ggml-backend.h and ggml-cpu.h.
# Taken from LLEM_LLAMA_DIR or CMAKE_PREFIX_PATH if one is installed there, else from the pinned build of
# tools/dependencies.sh. System folders are not searched: an unpinned libllama has another interface and other kernels.
set(LLEM_LLAMA_DIR "$ENV{LLEM_LLAMA_DIR}" CACHE PATH "Prefix of an installed llama.cpp")

function(llem_find_llama prefix source)
  if(NOT "${prefix}" STREQUAL "${LLEM_LLAMA_SEARCHED}")
    # Its package caches every library by path: another prefix must not be mixed with the former one.
    get_cmake_property(_cached CACHE_VARIABLES)
    list(FILTER _cached INCLUDE REGEX "^(llama_|ggml_|GGML_)")
    foreach(_variable IN LISTS _cached)
      unset(${_variable} CACHE)
    endforeach()
    set(LLEM_LLAMA_SEARCHED "${prefix}" CACHE INTERNAL "")
  endif()
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL TRUE)
  if(prefix)
    find_package(llama CONFIG QUIET PATHS ${prefix} NO_DEFAULT_PATH)
  else()
    find_package(llama CONFIG QUIET NO_CMAKE_SYSTEM_PATH NO_SYSTEM_ENVIRONMENT_PATH NO_CMAKE_INSTALL_PREFIX
                 NO_CMAKE_PACKAGE_REGISTRY NO_CMAKE_SYSTEM_PACKAGE_REGISTRY)
  endif()
  if(llama_FOUND)
    set(LLEM_LLAMA_INCLUDE_DIR ${LLAMA_INCLUDE_DIR} PARENT_SCOPE)
    set(LLEM_LLAMA_SOURCE "${source} ${LLAMA_VERSION} (${LLAMA_BUILD_COMMIT}) in ${LLAMA_LIB_DIR}" PARENT_SCOPE)
    get_filename_component(_prefix ${LLAMA_INCLUDE_DIR} DIRECTORY)
    set(LLEM_LLAMA_PREFIX ${_prefix} CACHE INTERNAL "Where the licence of llama.cpp is, for the installed tree")
  endif()
endfunction()

if(NOT TARGET llem_llama)
  if(LLEM_LLAMA_DIR)
    llem_find_llama("${LLEM_LLAMA_DIR}" "LLEM_LLAMA_DIR")
    if(NOT LLEM_LLAMA_SOURCE)
      message(FATAL_ERROR "LLEM_LLAMA_DIR=${LLEM_LLAMA_DIR} holds no installed llama.cpp")
    endif()
  else()
    llem_find_llama("" "installed")
  endif()
  if(NOT LLEM_LLAMA_SOURCE) # in no folder of CMAKE_PREFIX_PATH
    execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/../tools/dependencies.sh path llama
                    OUTPUT_VARIABLE _prefix OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE _rc)
    if(NOT _rc EQUAL 0)
      message(FATAL_ERROR "llama.cpp not found: run tools/dependencies.sh llama, name an installed one in "
                          "LLEM_LLAMA_DIR, or configure with -DLLEM_WITH_LLAMACPP=OFF")
    endif()
    llem_find_llama("${_prefix}" "pinned build")
  endif()
  # The worker is written against the interface with load modes; an older header would fail with a page of errors.
  file(STRINGS ${LLEM_LLAMA_INCLUDE_DIR}/llama.h _load_mode REGEX "load_mode" LIMIT_COUNT 1)
  foreach(_header IN ITEMS llama.h gguf.h ggml.h ggml-backend.h ggml-cpu.h)
    if(NOT EXISTS ${LLEM_LLAMA_INCLUDE_DIR}/${_header} OR NOT _load_mode)
      message(FATAL_ERROR "the llama.cpp in ${LLEM_LLAMA_INCLUDE_DIR} is too old or lacks ${_header}: "
                          "use the pinned one (tools/dependencies.sh llama)")
    endif()
  endforeach()
  add_library(llem_llama INTERFACE)
  target_link_libraries(llem_llama INTERFACE llama)
  target_include_directories(llem_llama SYSTEM INTERFACE ${LLEM_LLAMA_INCLUDE_DIR})
  message(STATUS "llama.cpp: ${LLEM_LLAMA_SOURCE}")
endif()
