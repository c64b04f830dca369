# Compiler flags of every part of Sampan.  Kept in qos/ because add_subdirectory(sampan/qos) works alone.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
                    -Wundef -Wvla -Werror -fno-common -fstack-protector-strong)
add_compile_options(-fno-strict-aliasing) # docs/decisions/0008-no-strict-aliasing.md
if(SAMPAN_SANITIZE)
  add_compile_options(-fsanitize=${SAMPAN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SAMPAN_SANITIZE})
endif()
if(SAMPAN_ANALYZE)
  add_compile_options(-fanalyzer)
endif()
if(SAMPAN_COVERAGE) # clang's; the branch of an assertion into its trap is not counted (base/bug.h)
  add_compile_definitions(SAMPAN_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping -fprofile-update=atomic)
  add_link_options(-fprofile-instr-generate)
endif()
