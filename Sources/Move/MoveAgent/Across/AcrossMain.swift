import Glibc
import SystemCalls
import Transport

/// What `retinue-agent` becomes for a tree at several hosts.
enum AcrossMain {
    static func run(_ arguments: [String]) throws(MoveError) -> Int32 {
        guard geteuid() == 0 else { throw MoveError("processes are moved as root") }
        switch arguments[0] {
        case "across-hold" where arguments.count == 3:
            guard let number = Int32(arguments[1]) else { throw MoveError("it is started by the agent") }
            return DescriptorHolder.run(number, arguments[2])
        case "across-join":
            return try AcrossJoin.run(try AcrossOptions(Array(arguments.dropFirst()), isJoin: true))
        case "across":
            return try AcrossSource(try AcrossOptions(Array(arguments.dropFirst()), isJoin: false)).run()
        default: throw MoveError("no option `\(arguments[0])`: retinue-agent --help")
        }
    }
}

/// What is said on the command line.
struct AcrossOptions {
    struct Host: Equatable {
        var name: String
        var address: String
        var port: UInt16
        var pids: [Int32] = []
    }

    var pid: Int32 = 0
    var name = ""
    var hosts: [Host] = []
    var address = ""
    var port = AcrossListener.standardPort
    var accepted: [String] = []
    var certificates = "/etc/retinue/certificates"
    /// Nanoseconds for which a page that has come stays.
    var window: UInt64 = 100_000
    var closesConnections = false
    var isLossy = false
    var isCheck = false
    /// Whether a host that joins takes one order alone.
    var isOnce = false

    init(_ arguments: [String], isJoin: Bool) throws(MoveError) {
        var rest = arguments[...]
        var placed: [(String, String)] = []
        while let word = rest.popFirst() {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
                String.init)
            func value() throws(MoveError) -> String {
                if word.hasPrefix("--"), parts.count == 2 { return parts[1] }
                guard let next = rest.popFirst() else { throw MoveError("\(word) needs a value") }
                return next
            }
            switch parts[0] {
            case "--listen": (address, port) = try Self.place(try value())
            case "--certificates": certificates = try value()
            case "--accept" where isJoin: accepted.append(try value())
            case "--once" where isJoin: isOnce = true
            case "--name" where !isJoin: name = try value()
            case "--over" where !isJoin:
                for part in try value().split(separator: ",") {
                    let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
                    guard pair.count == 2 else {
                        throw MoveError("--over needs a value: HOST=ADDRESS[:PORT],…")
                    }
                    let (address, port) = try Self.place(pair[1])
                    hosts.append(Host(name: pair[0], address: address, port: port))
                }
            case "--place" where !isJoin:
                let pair = try value().split(separator: "=", maxSplits: 1).map(String.init)
                guard pair.count == 2 else { throw MoveError("--place needs a value: HOST=PID,…") }
                placed.append((pair[0], pair[1]))
            case "--window" where !isJoin:
                guard let micros = UInt64(try value()), micros <= 1_000_000 else {
                    throw MoveError("--window needs a value: microseconds, at most 1000000")
                }
                window = micros * 1000
            case "--close-connections" where !isJoin: closesConnections = true
            case "--lossy" where !isJoin: isLossy = true
            case "--check" where !isJoin: isCheck = true
            default:
                guard !isJoin, pid == 0, let number = Int32(word), number > 0 else {
                    throw MoveError("no option `\(word)`: retinue-agent --help")
                }
                pid = number
            }
        }
        for (host, pids) in placed {
            guard let index = hosts.firstIndex(where: { $0.name == host }) else {
                throw MoveError("no option --over names \(host)")
            }
            for word in pids.split(separator: ",") {
                guard let number = Int32(word), number > 1 else { throw MoveError("\(word) is no process") }
                hosts[index].pids.append(number)
            }
        }
        if isJoin {
            guard !address.isEmpty, !accepted.isEmpty else {
                throw MoveError("--listen needs a value, --accept needs a value")
            }
            return
        }
        if name.isEmpty { name = "\(pid)" }
        guard pid > 0, !hosts.isEmpty, !address.isEmpty else {
            throw MoveError("a pid, --over and --listen are needed: one of them needs a value")
        }
        guard hosts.count < AcrossOrder.mostHosts, Set(hosts.map(\.name)).count == hosts.count,
            hosts.allSatisfy({ !$0.pids.isEmpty })
        else { throw MoveError("each host of --over is named once, and needs a value of --place") }
        guard AcrossOrder.isName(name) else { throw MoveError("--name needs a value of letters and digits") }
        let all = hosts.flatMap(\.pids)
        guard Set(all).count == all.count else { throw MoveError("a process runs at one host") }
    }

    private static func place(_ text: String) throws(MoveError) -> (String, UInt16) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        if parts.count == 2, let port = UInt16(parts[1]), port > 0 { return (parts[0], port) }
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            let address = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            if rest.isEmpty { return (address, AcrossListener.standardPort) }
            if rest.hasPrefix(":"), let port = UInt16(rest.dropFirst()), port > 0 { return (address, port) }
        }
        guard parts.count == 1, !text.isEmpty else { throw MoveError("`\(text)` is no address") }
        return (text, AcrossListener.standardPort)
    }

    func identity() throws(MoveError) -> TLSIdentity {
        do throws(TLSError) { return try TLSIdentity(folder: certificates) } catch {
            throw MoveError("\(error)")
        }
    }

    func socket() throws(MoveError) -> FileDescriptor {
        do throws(TLSError) { return try Sockets.listen(on: address, port: port) } catch {
            throw MoveError("\(error)")
        }
    }
}
