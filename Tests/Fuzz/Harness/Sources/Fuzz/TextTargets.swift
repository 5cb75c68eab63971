@testable import Control
@testable import Daemon
import Fanotify
@testable import MoveGroup
import Observation
import Procfs
import Records

/// Texts: of /proc, of files that people write, of the command line and of clients.
enum TextTargets {
    static let all = [
        FuzzTarget(name: "procfs") { bytes in
            let rest = Array(bytes.dropFirst())
            switch (bytes.first ?? 0) % 11 {
            case 0: _ = Mount.parse(rest)
            case 1: _ = MappedFile.parse(rest)
            case 2: _ = MappedFile.parse(rest, sharedWritable: true)
            case 3: _ = SharedMapping.parse(rest)
            case 4: _ = ProcessStatus(parsing: rest)
            case 5: _ = DescriptorInformation(parsing: rest)
            case 6: _ = ProcessDirectory.controlGroup(of: rest)
            case 7: _ = SystemVObject.segments(rest)
            case 8: _ = SystemVObject.semaphoreSets(rest)
            case 9: _ = SystemVObject.messageQueues(rest)
            default:
                _ = ProcessDirectory.splitArguments(rest)
                // What the engines of containers write, and where a number stands.
                _ = ContainerNames.number(in: rest)
                for name in [
                    ContainerState.dockerName(rest), ContainerState.bundleName(rest),
                    ContainerState.podmanName(rest, id: Array("a".utf8)),
                ] { require(name?.contains { $0 <= 32 || $0 == UInt8(ascii: "/") } != true, "no name") }
            }
        },
        FuzzTarget(name: "survey") { bytes in
            let rest = Array(bytes.dropFirst())
            switch (bytes.first ?? 0) % 5 {
            case 0:
                for area in MemoryArea.parse(rest) {
                    require(!area.path.isEmpty, "a mapping without a path")
                    require(
                        area.isDeleted || !area.path.suffix(10).elementsEqual(" (deleted)".utf8), "a mark")
                }
            case 1:
                guard let traits = ProcessTraits(parsing: rest) else { return }
                require(traits.tracer >= 0, "a pid below 0")
                require(traits.processors.allSatisfy { "0123456789,-".contains($0) }, "no list of processors")
            case 2: _ = DescriptorTraits(parsing: rest)
            case 3:
                for group in MulticastGroup.parse(igmp: rest) {
                    require(group.address.count == 4, "no IPv4 address")
                }
            default:
                for group in MulticastGroup.parse(igmp6: rest) {
                    require(group.address.count == 16, "no IPv6 address")
                }
            }
        },
        FuzzTarget(name: "executable") { bytes in
            _ = ExecutableHead(parsing: bytes)
            _ = BuildID(in: bytes)
            // As what it is called with, behind the executable; every file that it names holds the same.
            let strings = ProcessDirectory.splitArguments(bytes)
            guard let executable = strings.first else { return }
            let found = Interpreter.interpreted(
                executable: executable, arguments: Array(strings.dropFirst()), isWhole: bytes.last == 0
            ) { _ in Array(bytes.dropFirst(executable.count + 1)) }
            guard case .named(let named) = found else { return }
            require(!named.files.isEmpty || named.name != nil, "neither a file nor a name")
            require(named.name?.contains { $0 <= 32 || $0 == UInt8(ascii: "/") } != true, "no name")
        },
        FuzzTarget(name: "configuration") { bytes in
            _ = try? Configuration(parsing: String(decoding: bytes, as: UTF8.self), from: "fuzz")
        },
        FuzzTarget(name: "options") { bytes in
            let words = bytes.split(separator: 0, omittingEmptySubsequences: false)
            _ = try? Options(words.map { String(decoding: $0, as: UTF8.self) })
        },
        FuzzTarget(name: "policy") { bytes in
            guard
                let policy = try? BoundaryPolicy(
                    parsing: String(decoding: bytes, as: UTF8.self), from: "fuzz")
            else { return }
            // What a rule says can be read again.
            let text = "no default\n" + policy.rules.map(\.text).joined(separator: "\n")
            let again = try? BoundaryPolicy(parsing: text, from: "fuzz")
            require(again?.rules.map(\.text) == policy.rules.map(\.text), "rules that say themselves")
        },
        FuzzTarget(name: "glob") { bytes in
            let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return }
            _ = Glob(String(decoding: parts[0].prefix(64), as: UTF8.self)).matches(
                Array(parts[1].prefix(256)))
        },
        FuzzTarget(name: "control") { bytes in
            guard let request = try? ControlMessage.decode(bytes[...]) else { return }
            require(
                (try? ControlMessage.decode(ControlMessage.encode(request)[...])) == request, "\(request)")
        },
        FuzzTarget(name: "texts") { bytes in
            if let time = Timestamp.parse(bytes) {
                require(
                    Timestamp.parse(Array(Timestamp.text(time).utf8)) != nil, "a time that is not read again")
            }
            if let address = NetworkAddress(bytes) {
                require(NetworkAddress("\(address)") == address, "an address that is not read again")
            }
            _ = try? JSONValue(parsing: bytes)
        },
    ]
}
