import Daemon
import Glibc
import SeedForm

exit(
    DaemonMain.run(Array(CommandLine.arguments.dropFirst())) { call, time, out in
        SeedRecord(call, time: time).append(to: &out)
    })
