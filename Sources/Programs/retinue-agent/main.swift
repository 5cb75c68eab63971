import Glibc
import MoveAgent

exit(AgentMain.run(Array(CommandLine.arguments.dropFirst())))
