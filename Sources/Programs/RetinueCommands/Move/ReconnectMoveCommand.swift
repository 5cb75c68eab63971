import ArgumentParser
import MovePlan

/// What has to be changed where clients are, as text for those who change it themselves.
struct ReconnectMoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconnect",
        abstract:
            "Print what sends clients that stay to the new address: for nft(8), hosts(5) or Kubernetes.",
        discussion: """
            Addresses by which clients were seen to reach the program are the plan's; others are named by --old-address. No agent \
            is needed. `retinue move run --client HOST` has agents apply the nftables rules.
            """)

    enum Form: String, ExpressibleByArgument, CaseIterable {
        case nftables, hosts
        case networkPolicy = "network-policy"
    }

    @OptionGroup var move: MoveOptions

    @Option(name: .customLong("as"), help: "nftables, hosts or network-policy.")
    var form = Form.nftables

    @Option(
        help: ArgumentHelp(
            "A name by which clients know the service, for hosts(5); repeatable.",
            valueName: "name"))
    var alias: [String] = []

    func run() throws {
        let plan = try PlanFile.read(at: move.file)
        let host = plan.hosts[try plan.position(ofHost: move.host)]
        let (_, place, _) = try MoveOptions.agent(move.to, "--to")
        let reconnection = Reconnection(
            of: host, name: move.name ?? MoveOptions.name(of: plan), old: move.oldAddress, new: place)
        guard !reconnection.redirects.isEmpty else {
            throw Failure(
                "the plan has no address by which clients reach the program, of the family of \(place.printable)",
                details: [
                    "say by --old-address which one they use, and by --to HOST=ADDRESS which one takes its place"
                ],
                status: ExitStatus.badInput)
        }
        let text: String
        switch form {
        case .nftables: text = reconnection.nftables
        case .networkPolicy: text = reconnection.networkPolicy
        case .hosts:
            guard !alias.isEmpty else {
                throw Failure("say by --alias by which name clients know it", status: ExitStatus.badInput)
            }
            let isName = { (name: String) in
                !name.isEmpty
                    && name.utf8.allSatisfy {
                        (48...57).contains($0) || (97...122).contains($0 | 32) || $0 == UInt8(ascii: ".")
                            || $0 == UInt8(ascii: "-")
                    }
            }
            guard alias.allSatisfy(isName) else {
                throw Failure("a name has letters, digits, dots and hyphens", status: ExitStatus.badInput)
            }
            text = reconnection.hosts(names: alias)
        }
        try Output.standard.write(Array(text.utf8))
    }
}
