# The installed tree. It finds itself through $ORIGIN and relative paths, so the folder can be moved as a whole:
#   bin/llem  lib/libllem.so  lib/libarrow.so.*  lib/cmake/llem  libexec/llem/  include/llem/  share/llem/
include(CMakePackageConfigHelpers)
set(_share ${CMAKE_INSTALL_DATADIR}/llem)
set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/llem)
set(_workers ${CMAKE_INSTALL_LIBEXECDIR}/llem)

# Where the libraries are, seen from a folder of the tree.
function(llem_set_install_rpath target folder)
  file(RELATIVE_PATH _libraries /${folder} /${CMAKE_INSTALL_LIBDIR})
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/${_libraries}")
endfunction()

if(TARGET llem)
  llem_set_install_rpath(llem ${CMAKE_INSTALL_BINDIR})
  install(TARGETS llem RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

foreach(_worker IN ITEMS llem-worker-llamacpp llem-device-guard)
  if(TARGET ${_worker})
    llem_set_install_rpath(${_worker} ${_workers})
    install(TARGETS ${_worker} RUNTIME DESTINATION ${_workers})
  endif()
endforeach()

if(TARGET llem_library)
  set_target_properties(llem_library PROPERTIES INSTALL_RPATH "$ORIGIN" EXPORT_NAME llem)
  install(TARGETS llem_library EXPORT llem LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT llem NAMESPACE llem:: FILE llem-targets.cmake DESTINATION ${_package})
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/llem-config.cmake @ONLY CONTENT [[
include(CMakeFindDependencyMacro)
find_dependency(tl-expected)
include(${CMAKE_CURRENT_LIST_DIR}/llem-targets.cmake)
]])
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/llem-config-version.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/llem-config.cmake ${PROJECT_BINARY_DIR}/llem-config-version.cmake
          DESTINATION ${_package})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/llem DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
          FILES_MATCHING PATTERN *.hpp)
endif()

# Arrow from the pinned wheel lies in a user's cache: the installed tree takes its copy with it.
if(LLEM_ARROW_LIBRARIES)
  install(PROGRAMS ${LLEM_ARROW_LIBRARIES} DESTINATION ${CMAKE_INSTALL_LIBDIR})
  if(IS_DIRECTORY "${LLEM_ARROW_WHEEL}/licenses")
    install(DIRECTORY ${LLEM_ARROW_WHEEL}/licenses/ DESTINATION ${_share}/licenses/arrow)
  endif()
endif()
if(TARGET llem-worker-llamacpp AND EXISTS "${LLEM_LLAMA_PREFIX}/licenses")
  install(DIRECTORY ${LLEM_LLAMA_PREFIX}/licenses/ DESTINATION ${_share}/licenses/llama.cpp)
endif()

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${_share}/licenses)
foreach(_data IN ITEMS assets:. docs/schema:schema examples:examples)
  string(REPLACE ":" ";" _data ${_data})
  list(GET _data 0 _from)
  list(GET _data 1 _to)
  if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/${_from})
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/${_from}/ DESTINATION ${_share}/${_to}
            FILES_MATCHING REGEX "\\.(json|jsonl|yaml|yml|txt|cpp|md)$")
  endif()
endforeach()
