import Glibc
import PackageFiles

/// The files of one package, as its header has them.
struct RPMFiles {
    /// Of a file, beside its name. The corresponding C constants are those of rpm's `rpmfiles.h`.
    struct Record {
        /// RPMFILE_CONFIG, RPMFILE_GHOST and others.
        var flags: UInt64
        /// As in `stat`; 0 where the package does not say.
        var mode: UInt32
        /// Bytes; `nil` where the package does not say.
        var size: UInt64?
        /// Hexadecimal digits; empty for what has no contents.
        var digest: Range<Int>?
        /// A link's target.
        var link: Range<Int>?

        static let configuration: UInt64 = 1 << 0
        static let ghost: UInt64 = 1 << 6

        var isConfiguration: Bool { flags & Self.configuration != 0 }
        var isDirectory: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFDIR) }
    }

    private let header: RPMHeader
    private let folders: [Range<Int>]
    private let folderNumbers: [UInt64]
    private let names: [Range<Int>]
    private let flags: [UInt64]
    private let modes: [UInt64]
    private let sizes: [UInt64]
    private let states: [UInt64]
    private let digests: [Range<Int>]
    private let links: [Range<Int>]
    /// How their digests are computed (PGPHASHALGO_MD5, of old packages, is 1).
    let algorithm: UInt64

    /// How many there are, those included that are not on the system.
    var count: Int { names.count }

    init(_ header: RPMHeader) throws(RPMHeader.Flaw) {
        self.header = header
        folders = try header.strings(.folderNames)
        let baseNames = try header.strings(.baseNames)
        // Packages of rpm before version 4 have whole names, and no folder counts for those.
        names = try baseNames.isEmpty ? header.strings(.oldFileNames) : baseNames
        folderNumbers = try baseNames.isEmpty ? [] : header.numbers(.folderNumbers)
        flags = try header.numbers(.fileFlags)
        modes = try header.numbers(.fileModes)
        let small = try header.numbers(.fileSizes)
        sizes = try small.isEmpty ? header.numbers(.longFileSizes) : small
        states = try header.numbers(.fileStates)
        digests = try header.strings(.fileDigests)
        links = try header.strings(.fileLinks)
        algorithm = try header.numbers(.digestAlgorithm).first ?? 1
        let (count, folderCount) = (names.count, UInt64(folders.count))
        guard baseNames.isEmpty || folderNumbers.count == count,
            folderNumbers.allSatisfy({ $0 < folderCount })
        else { throw .files }
        let lengths = [flags.count, modes.count, sizes.count, states.count, digests.count, links.count]
        guard lengths.allSatisfy({ $0 == 0 || $0 == count }) else { throw .files }
        // Of 16 bits where rpm writes them; the header's type may be wider.
        guard modes.allSatisfy({ $0 <= UInt32.max }) else {
            throw .value(RPMHeader.Tag.fileModes.rawValue)
        }
    }

    /// The path of a file, as the package names it.
    func path(_ index: Int) -> [UInt8] {
        let name = header.bytes[names[index]]
        guard !folderNumbers.isEmpty else { return Array(name) }
        return Array(header.bytes[folders[Int(folderNumbers[index])]] + name)
    }

    /// What is recorded of a file.
    func record(_ index: Int) -> Record {
        Record(
            flags: flags.isEmpty ? 0 : flags[index], mode: modes.isEmpty ? 0 : UInt32(modes[index]),
            size: sizes.isEmpty ? nil : sizes[index], digest: digests.isEmpty ? nil : digests[index],
            link: links.isEmpty ? nil : links[index])
    }

    /// Whether the package has put a file on this system, and it is the package's still: no ghost, which the system makes, and
    /// none that was left out (`--excludedocs`, another architecture) or replaced by another package's.
    func isBrought(_ index: Int) -> Bool {
        // RPMFILE_STATE_NORMAL, RPMFILE_STATE_NETSHARED
        guard states.isEmpty || states[index] == 0 || states[index] == 3 else { return false }
        guard flags.isEmpty || flags[index] & Record.ghost == 0 else { return false }
        return true
    }

    /// The digest of a file, as far as its algorithm is known here.
    func digest(_ record: Record) -> (recorded: Bool, digest: ContentDigest?) {
        guard let range = record.digest, !range.isEmpty else { return (false, nil) }
        let digits = header.bytes[range]
        switch algorithm {
        case 1: return (true, MD5.Digest(hexadecimal: digits).map { .md5($0) })
        case 8: return (true, SHA256.Digest(hexadecimal: digits).map { .sha256($0) })
        default: return (true, nil)
        }
    }

    /// A link's target, as the package has it.
    func target(_ record: Record) -> [UInt8]? { record.link.map { Array(header.bytes[$0]) } }
}
