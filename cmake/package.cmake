# What `cmake --install` puts where, and the Debian package that cpack makes of it.
include(GNUInstallDirs)

# Build first: `cmake --install` and cpack take what is there, and need no tests.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)

install(TARGETS ringroom)
install(FILES systemd/ringroom.service systemd/ringroom.socket
    DESTINATION lib/systemd/system)
# Where the unit looks, whatever the prefix is.
install(FILES systemd/ringroom.json DESTINATION /etc/ringroom)
install(DIRECTORY DESTINATION /etc/ringroom/tls
    DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
install(FILES README.md docs/configuration.md docs/operations.md docs/protocol.md docs/security.md
    DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES systemd/readable-certificate.conf
    DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES packaging/ringroom.bash
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ringroom)

# The keys in ringroom.json(5) are those that the program knows.
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/man/ringroom.json.5
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:ringroom>
        -DSOURCE=${CMAKE_SOURCE_DIR}/docs/man/ringroom.json.5.in
        -DRESULT=${CMAKE_BINARY_DIR}/man/ringroom.json.5 -P ${CMAKE_SOURCE_DIR}/cmake/man.cmake
    DEPENDS ringroom docs/man/ringroom.json.5.in cmake/man.cmake
    VERBATIM)

# ringroom_compressed(FILE NAME WHERE): installs FILE as NAME.gz, as Debian wants it.
function(ringroom_compressed file name where)
    set(result ${CMAKE_BINARY_DIR}/man/${name}.gz)
    add_custom_command(OUTPUT ${result}
        COMMAND gzip -9 -n -c ${file} >${result}
        DEPENDS ${file})
    install(FILES ${result} DESTINATION ${where})
    set_property(GLOBAL APPEND PROPERTY RINGROOM_COMPRESSED ${result})
endfunction()
ringroom_compressed(${CMAKE_SOURCE_DIR}/docs/man/ringroom.1 ringroom.1 ${CMAKE_INSTALL_MANDIR}/man1)
ringroom_compressed(${CMAKE_BINARY_DIR}/man/ringroom.json.5 ringroom.json.5
    ${CMAKE_INSTALL_MANDIR}/man5)
ringroom_compressed(${CMAKE_SOURCE_DIR}/packaging/changelog changelog ${CMAKE_INSTALL_DOCDIR})
get_property(compressed GLOBAL PROPERTY RINGROOM_COMPRESSED)
add_custom_target(man ALL DEPENDS ${compressed})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME ringroom)
set(CPACK_PACKAGE_CONTACT "The Ringroom developers <ringroom@ringroom.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "live, short-lived chat rooms over TLS WebSockets")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "A chat server on io_uring. Who joins a room gets its whole history; when its
time is up, all of it is wiped. Native and Socket.IO clients share the rooms.")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(script postinst prerm postrm conffiles)
    list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/packaging/${script})
endforeach()
set(CPACK_STRIP_FILES ON)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
include(CPack)
