# Writes which commit is being built, only when that changed: cmake -DSOURCE= -DTEMPLATE= -DOUTPUT= -P git_id.cmake
set(TLOG_GIT_ID "unknown")
find_program(TLOG_GIT git)
if(TLOG_GIT AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${TLOG_GIT} -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
                  OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(TLOG_GIT_ID ${described})
  endif()
endif()
configure_file(${TEMPLATE} ${OUTPUT} @ONLY)
