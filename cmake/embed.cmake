# ringroom_embed(TARGET DIR): compiles every file under DIR into TARGET as a table of name, bytes
# and ETag (include/ringroom/proto/assets.h declares it). The tables are made at build time, so a
# changed file is picked up by the next build.
function(ringroom_embed target dir)
    file(GLOB_RECURSE files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${dir}/*)
    list(FILTER files EXCLUDE REGEX "\\.md$")
    set(out ${CMAKE_BINARY_DIR}/embedded_${dir}.c)
    add_custom_command(OUTPUT ${out}
        COMMAND ${CMAKE_COMMAND} -DROOT=${CMAKE_SOURCE_DIR}/${dir} -DOUT=${out}
            "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
        DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
        VERBATIM)
    target_sources(${target} PRIVATE ${out})
endfunction()
