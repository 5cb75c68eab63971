import ArgumentParser
import MoveGroup

struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Print the rules that say where a move group ends.",
        discussion: """
            The default rules in the form of a policy file: a start for one of your own, to be named by \
            --policy or put at /etc/retinue/boundary.policy. The default rules follow behind it unless it has a \
            line "no default".

            Examples:
              retinue policy | less
              echo 'system **/node_exporter' > mine.policy
              retinue group nginx --policy mine.policy
            """)

    func run() throws { try Output.standard.write(BoundaryPolicy.standardText) }
}
