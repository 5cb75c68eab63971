import Glibc
import RetinueCommands

exit(runRetinue(Array(CommandLine.arguments.dropFirst())))
