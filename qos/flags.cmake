# Compiler flags of every part of Sampan.  Kept in qos/ because add_subdirectory(sampan/qos) works alone.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
                    -Wundef -Wvla -Werror -fno-common -fstack-protector-strong)
if(SAMPAN_SANITIZE)
  add_compile_options(-fsanitize=${SAMPAN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SAMPAN_SANITIZE})
endif()
if(SAMPAN_ANALYZE)
  add_compile_options(-fanalyzer)
endif()
