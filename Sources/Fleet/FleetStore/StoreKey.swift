import MoveGroup
import PackageFiles
import Records

/// What a record is found under: 64 bits of a digest of what it is about.
///
/// Two things that share a key are looked up together, and distinguished by the records themselves. A digest that cannot be
/// steered keeps a program from having its records written over another's.
enum StoreKey {
    /// What is digested; the number is part of every key that is stored.
    private enum Kind: UInt8 {
        case host = 1, program, file, fold, below, service, destination, target, channel, identity, word
    }

    static func host(_ id: String) -> Int64 { key(.host, Array(id.utf8)) }

    static func program(_ name: ProgramName) -> Int64 {
        key(.program, name.executable, name.script, name.workload)
    }

    static func file(_ path: [UInt8]) -> Int64 { key(.file, path) }

    /// A folded record of a folder.
    static func fold(_ folder: [UInt8]) -> Int64 { key(.fold, folder) }

    /// What lies in a folder that some program has a folded record of.
    static func below(_ folder: [UInt8]) -> Int64 { key(.below, folder) }

    /// Whoever listens or accepted at a port of a host.
    static func service(_ transport: UInt8, _ port: UInt16) -> Int64 {
        key(.service, [transport], bytes(port))
    }

    /// Connections to a port, wherever it is.
    static func destination(_ transport: UInt8, _ port: UInt16) -> Int64 {
        key(.destination, [transport], bytes(port))
    }

    /// Connections to an address and port.
    static func target(_ transport: UInt8, _ endpoint: Endpoint) -> Int64 {
        key(.target, [transport], bytes(endpoint))
    }

    static func channel(_ mechanism: UInt8, _ name: [UInt8]) -> Int64 { key(.channel, [mechanism], name) }

    /// A text by which a program can be meant.
    static func word(_ word: [UInt8]) -> Int64 { key(.word, word) }

    /// What distinguishes a program's records from each other.
    static func identity(_ parts: [[UInt8]]) -> Int64 { digest(.identity, parts) }

    static func bytes(_ number: some FixedWidthInteger & BitwiseCopyable) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }

    static func bytes(_ endpoint: Endpoint) -> [UInt8] {
        bytes(endpoint.address.high) + bytes(endpoint.address.low) + bytes(endpoint.port)
    }

    private static func key(_ kind: Kind, _ parts: [UInt8]...) -> Int64 { digest(kind, parts) }

    private static func digest(_ kind: Kind, _ parts: [[UInt8]]) -> Int64 {
        var text: [UInt8] = [kind.rawValue]
        for part in parts {
            // The length first, so that no two lists of parts are one text.
            text += bytes(UInt32(part.count))
            text += part
        }
        return SHA256.digest(of: text).firstWord
    }
}
