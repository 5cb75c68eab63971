/// What an agent is started with.
public struct AgentConfiguration: Equatable, Sendable {
    /// Where it keeps journals and cells.
    public var stateFolder = "/var/lib/retinue/agent"
    /// Where commands of this host reach it.
    public var socket = standardSocket
    /// That place, unless another one is named: a folder that only root can write in. The daemon's user has one of his own.
    public static let standardSocket = "/run/retinue-agent/agent.sock"
    /// The folder of `authority.pem`, `certificate.pem` and `key.pem`.
    public var certificates = "/etc/retinue/certificates"
    /// The address on which it waits for other agents; empty for none.
    public var listen = ""
    /// See `listen`.
    public var port: UInt16 = AgentConfiguration.standardPort
    /// Hosts, by their certificates' names, that may move programs to this one.
    public var accepted: [String] = []
    /// Hosts, by their certificates' names, whose commands this agent obeys as its own: `retinue move` of a group on several
    /// hosts.
    public var commanders: [String] = []
    /// Hosts that may hand RPC servers over that programs of this host call: their packets are led to where such a server has gone.
    public var followed: [String] = []
    /// Folders of recipes, the first before the next.
    public var recipes = ["/etc/retinue/recipes", "/usr/share/retinue/recipes"]
    /// Seconds that a program waits for bytes of a file that is fetched when it is touched, before it gets EIO, and for memory that
    /// is fetched (`--memory fetched`), before it is ended.
    public var patience: UInt64 = 120
    /// What virtual machines get here.
    var machine = Machine.Settings()
    /// The placement policy by which SIGUSR2 empties this host.
    public var placement = "/etc/retinue/placement.yaml"
    /// For tests of crashes: the line of a journal at which it ends.
    public var fault: String?
    /// Whether it logs how long each part of a move takes.
    public var keepsTimeline = false

    /// The port on which agents wait, unless another one is said.
    public static let standardPort: UInt16 = 7420

    /// What `retinue-agent` does by itself.
    public init() {}

    /// Reads the arguments of a command line.
    ///
    /// - Throws: the one that is wrong.
    public init(arguments: [String]) throws(MoveError) {
        var rest = arguments[...]
        var isOwnRecipes = false
        while let option = rest.popFirst() {
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
                String.init)
            func value() throws(MoveError) -> String {
                if parts.count == 2 { return parts[1] }
                guard let next = rest.popFirst() else { throw MoveError("\(option) needs a value") }
                return next
            }
            switch parts[0] {
            case "--state-dir": stateFolder = try value()
            case "--socket": socket = try value()
            case "--certificates": certificates = try value()
            case "--listen":
                let text = try value()
                // 10.0.0.1, 10.0.0.1:7420, [fd00::1]:7420
                var host = text[...]
                if let colon = text.lastIndex(of: ":"),
                    text.filter({ $0 == ":" }).count == 1 || text.contains("]:")
                {
                    guard let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
                        throw MoveError("`\(text)` is no address with a port")
                    }
                    self.port = port
                    host = text[..<colon]
                }
                listen = host.filter { $0 != "[" && $0 != "]" }
            case "--accept": accepted.append(try value())
            case "--obey": commanders.append(try value())
            case "--follow": followed.append(try value())
            case "--recipes":
                if !isOwnRecipes { recipes = [] }
                isOwnRecipes = true
                recipes.append(try value())
            case "--fetch-patience":
                guard let seconds = UInt64(try value()), (1...86400).contains(seconds) else {
                    throw MoveError("--fetch-patience is from 1 to 86400 seconds")
                }
                patience = seconds
            case "--timeline": keepsTimeline = true
            case "--placement": placement = try value()
            case "--machine-memory":
                guard let memory = Int(try value()), (64...(1 << 24)).contains(memory) else {
                    throw MoveError("--machine-memory is from 64 to 16777216 MiB")
                }
                machine.memory = memory
            case "--machine-kernel": machine.kernel = try value()
            case "--die-at": fault = try value()
            default: throw MoveError("no option `\(option)`: retinue-agent --help")
            }
        }
    }
}
