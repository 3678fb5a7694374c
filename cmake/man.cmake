# cmake -DPROGRAM=… -DSOURCE=… -DRESULT=… -P man.cmake: fills @KEYS@ with what PROGRAM says of its keys.
execute_process(COMMAND ${PROGRAM} help serve OUTPUT_VARIABLE help COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE ".*Keys and their defaults:\n" "" keys "${help}")
string(REPLACE "\\" "\\e" keys "${keys}")
string(REPLACE "-" "\\-" keys "${keys}")
# "  NAME = DEFAULT", then lines that say what it is.
string(REGEX REPLACE "(^|\n)  ([a-z_.]+) = ([^\n]*)" "\\1.TP\n.BR \\2 \" = \\3\"" keys "${keys}")
string(REGEX REPLACE "\n      " "\n" keys "${keys}")
string(REGEX REPLACE "\"([^\n\"]*)\"([^\n\"]*)\"([^\n\"]*)\"\n" "\"\\1\\\\(dq\\2\\\\(dq\\3\"\n" keys "${keys}")
set(KEYS "${keys}")
configure_file(${SOURCE} ${RESULT} @ONLY)
