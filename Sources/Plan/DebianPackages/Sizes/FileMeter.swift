import Glibc
import SystemCalls

/// Adds up the sizes of files, path by path.
public struct FileMeter: Sendable {
    private struct Identity: Hashable, Sendable {
        var device: UInt64
        var inode: UInt64
    }

    /// What was measured so far.
    public internal(set) var sizes = FileSizes()

    private let root: FileRoot
    private var counted: Set<Identity> = []

    /// Measures below a root directory.
    public init(root: String = "/") { self.root = FileRoot(root) }

    init(root: FileRoot) { self.root = root }

    /// The sizes of some files. The corresponding C function is `lstat`.
    public static func measure(_ paths: some Sequence<[UInt8]>, root: String = "/") -> FileSizes {
        var meter = FileMeter(root: root)
        for path in paths { meter.add(path) }
        return meter.sizes
    }

    /// Adds a file; the answer is its kind, or `nil` where there is none or it cannot be looked at.
    @discardableResult
    public mutating func add(_ path: [UInt8]) -> FileKind? {
        do {
            let status = try root.status(path)
            return add(status, isNameKnownOnce: false)
        } catch {
            if FileRoot.isMissing(error) { sizes.missing.append(path) } else { sizes.unreadable.append(path) }
            return nil
        }
    }

    /// Adds what was looked at.
    ///
    /// - Parameter isNameKnownOnce: whether each name comes once, as in a walk, so that only files with
    ///   several names have to be remembered.
    @discardableResult
    mutating func add(_ status: stat, isNameKnownOnce: Bool) -> FileKind {
        let kind: FileKind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            default: .other
            }
        if !isNameKnownOnce || (status.st_nlink > 1 && kind != .directory) {
            let identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
            guard counted.insert(identity).inserted else {
                sizes.repeated += 1
                return kind
            }
        }
        // A filesystem can answer anything; a negative size counts as none.
        let one = FileSizes.Total(
            count: 1, apparent: UInt64(max(0, status.st_size)),
            allocated: UInt64(max(0, status.st_blocks)) &* 512)
        switch kind {
        case .regular: sizes.regular = sizes.regular + one
        case .directory: sizes.directories = sizes.directories + one
        case .symbolicLink: sizes.symbolicLinks = sizes.symbolicLinks + one
        case .other: sizes.others = sizes.others + one
        }
        return kind
    }
}
