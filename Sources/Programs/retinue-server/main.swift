import Glibc
import RetinueServer

exit(runServer(Array(CommandLine.arguments.dropFirst())))
