import Glibc
import RetinueFleet

exit(runFleet(Array(CommandLine.arguments.dropFirst())))
