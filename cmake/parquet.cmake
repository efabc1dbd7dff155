# Target llem_arrow: Arrow and Parquet from their CMake packages, else from the hash-checked wheel that
# tools/dependencies.sh unpacks into the dependency prefix (LLEM_ARROW_WHEEL names the unpacked pyarrow folder).
add_library(llem_arrow INTERFACE)
find_package(Arrow CONFIG QUIET)
find_package(Parquet CONFIG QUIET)
if(Arrow_FOUND AND Parquet_FOUND)
  target_link_libraries(llem_arrow INTERFACE Parquet::parquet_shared Arrow::arrow_shared)
  set(LLEM_PARQUET_SOURCE "CMake packages, Arrow ${Arrow_VERSION}")
else()
  if(NOT LLEM_ARROW_WHEEL)
    execute_process(COMMAND ${PROJECT_SOURCE_DIR}/tools/dependencies.sh path arrow
                    OUTPUT_VARIABLE LLEM_ARROW_WHEEL OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE _rc)
    if(NOT _rc EQUAL 0 OR NOT IS_DIRECTORY "${LLEM_ARROW_WHEEL}")
      message(FATAL_ERROR "Arrow C++ not found: run tools/dependencies.sh arrow, or install libparquet-dev")
    endif()
  endif()
  foreach(_library IN ITEMS arrow parquet)
    file(GLOB _file "${LLEM_ARROW_WHEEL}/lib${_library}.so.*")
    list(GET _file 0 _file)
    add_library(llem_wheel_${_library} SHARED IMPORTED)
    set_target_properties(llem_wheel_${_library} PROPERTIES
      IMPORTED_LOCATION ${_file} INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${LLEM_ARROW_WHEEL}/include
      INTERFACE_INCLUDE_DIRECTORIES ${LLEM_ARROW_WHEEL}/include)
    list(APPEND LLEM_ARROW_LIBRARIES ${_file})
  endforeach()
  target_link_libraries(llem_arrow INTERFACE llem_wheel_parquet llem_wheel_arrow)
  set(LLEM_PARQUET_SOURCE "wheel at ${LLEM_ARROW_WHEEL}")
endif()
message(STATUS "Parquet: ${LLEM_PARQUET_SOURCE}")

# libllem_parquet.so holds the one file that includes Arrow. The store opens it on first use, so that a command which
# touches no Parquet file starts without mapping 60 MB of libraries.
add_library(llem_parquet_plugin MODULE ${PROJECT_SOURCE_DIR}/src/store/parquet_plugin.cpp)
set_target_properties(llem_parquet_plugin PROPERTIES OUTPUT_NAME llem_parquet INSTALL_RPATH "$ORIGIN")
target_include_directories(llem_parquet_plugin PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(llem_parquet_plugin PRIVATE llem_settings llem_arrow fmt::fmt tl::expected)
if(NOT LLEM_SANITIZE)
  target_link_options(llem_parquet_plugin PRIVATE "LINKER:-z,defs")  # a missing symbol shows here, not at the first file
endif()
install(TARGETS llem_parquet_plugin LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

# Target llem_parquet: what the module `store` needs to find that library.
add_library(llem_parquet INTERFACE)
file(RELATIVE_PATH _folder /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
target_compile_definitions(llem_parquet INTERFACE LLEM_PARQUET_STAMP="${PROJECT_VERSION}"
                           LLEM_PARQUET_FOLDER="${_folder}")
target_compile_definitions(llem_parquet_plugin PRIVATE LLEM_PARQUET_STAMP="${PROJECT_VERSION}")
target_link_libraries(llem_parquet INTERFACE ${CMAKE_DL_LIBS})
add_dependencies(llem_parquet llem_parquet_plugin)
