import ArgumentParser
import Control

/// `retinue`, whose subcommands do the work.
struct RetinueCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retinue",
        abstract: "See which programs of this host depend on which files, programs and sockets.",
        discussion: """
            retinued, the daemon, watches the host and keeps the records; retinue asks it.

            Examples:
              retinue probe                         what this kernel allows
              retinue status                        ready? anything lost?
              retinue records nginx                 what nginx depends on
              retinue records --path '/etc/ssl/**'  who uses these files
              retinue dump > host.ndjson            everything
              retinue list web.csv db.csv           the list of the published method
              retinue advise nginx --from web.ndjson  chroot, container or machine?

            Exit status: 0 success; 1 a negative answer (not ready, nothing matches, something \
            needed is missing) or bad input; 2 a file that is not what it should be; 3 the daemon \
            cannot be reached.
            """,
        version: "retinue \(retinueVersion)",
        subcommands: [
            ProbeCommand.self, StatusCommand.self, DumpCommand.self, RecordsCommand.self, GroupCommand.self,
            WhyCommand.self, TransferCommand.self, AdviseCommand.self, PolicyCommand.self, ListCommand.self,
            ForgetCommand.self,
        ])
}
