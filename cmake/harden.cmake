# What makes a mistake in memory harder to use. tests/hardening.sh reads the program for all of it.
#
# For every build that optimises: the presets' Release, and what packagers build (RelWithDebInfo,
# or no build type and flags of their own). Not for Debug, where _FORTIFY_SOURCE can do nothing,
# nor under sanitizers, which catch more and dislike it. RINGROOM_HARDEN=OFF leaves all of it out.
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)

set(RINGROOM_HARDENED OFF)
if(RINGROOM_HARDEN AND NOT RINGROOM_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND
        (CMAKE_BUILD_TYPE OR CMAKE_C_FLAGS MATCHES "-O[1-3s]"))
    set(RINGROOM_HARDENED ON)
endif()
if(NOT RINGROOM_HARDENED)
    return()
endif()

# -g: for those who look into a crash, and the test finds the compiler's flags there; clang writes
# them only when asked.
add_compile_options(-g -fstack-protector-strong)
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
    add_compile_options(-grecord-command-line)
endif()

# 3 also checks sizes that are known only at run time. What the packager defines is replaced.
set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
check_c_source_compiles("
#include <features.h>
#if __USE_FORTIFY_LEVEL != 3
#error not here
#endif
int main(void) { return 0; }" RINGROOM_HAS_FORTIFY_3)
unset(CMAKE_REQUIRED_FLAGS)
add_compile_options(-U_FORTIFY_SOURCE
    $<IF:$<BOOL:${RINGROOM_HAS_FORTIFY_3}>,-D_FORTIFY_SOURCE=3,-D_FORTIFY_SOURCE=2>)

# Large stack frames cannot step over the guard page; jumps and returns go where they may only
# (x86: CET; ARM: branch protection). Not every architecture has them: -Werror tells.
foreach(flag -fstack-clash-protection -fcf-protection=full -mbranch-protection=standard)
    string(MAKE_C_IDENTIFIER "RINGROOM_HAS${flag}" has)
    set(CMAKE_REQUIRED_FLAGS -Werror)
    check_c_compiler_flag(${flag} ${has})
    unset(CMAKE_REQUIRED_FLAGS)
    if(${has})
        add_compile_options(${flag})
    endif()
endforeach()

# A position of its own at each start, and nothing that is both writable and run or jumped through.
add_link_options($<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>
    -Wl,-z,relro,-z,now,-z,noexecstack)
