import Glibc
public import SystemCalls

/// Why the database could not be read at all.
public enum DpkgError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A file that must be there cannot be read; a host without dpkg has ENOENT for its status file.
    case unreadable(file: String, SystemError)
    /// A file holds something else than it should, see `DpkgDamage`.
    case damaged(DpkgDamage)
    /// The paths of all packages take more than 4 GiB.
    case tooLarge

    /// Whether this host simply has no dpkg.
    public var isMissing: Bool {
        if case .unreadable(_, let error) = self { error.code == ENOENT } else { false }
    }

    /// A sentence for a person.
    public var description: String {
        switch self {
        case .unreadable(let file, let error): "\(file): \(error)"
        case .damaged(let damage): "\(damage)"
        case .tooLarge: "the file lists of all packages together take more than 4 GiB"
        }
    }
}

/// One place where the database is not as dpkg writes it.
///
/// What else the file holds is read all the same, so that one broken stanza does not hide a thousand
/// packages; whoever would rather have nothing than a part asks for `strict`.
public struct DpkgDamage: Error, Equatable, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public enum Kind: String, Hashable, Sendable {
        /// The file ends within a line.
        case cutOff = "the file ends in the middle of a line"
        /// A line of a stanza is neither `Field: value` nor a continuation.
        case noField = "not a line of the form `Field: value`"
        /// A stanza without a valid `Package`; it is left out.
        case noPackage = "a stanza without a valid package name; it is left out"
        /// A stanza without a valid `Status`; it is left out.
        case noStatus = "a stanza without a valid status; it is left out"
        /// A stanza of a package on this system without `Version` or a valid `Architecture`; it is left out.
        case noVersion = "a stanza without a version or a valid architecture; it is left out"
        /// A second stanza of one package; it is left out.
        case duplicate = "a second stanza of this package; it is left out"
        /// A line under `Conffiles` is not of the form ` /path digest`; it is left out.
        case noConffile = "not a configuration file with a digest"
        /// A line of a file list is no absolute path; it is left out.
        case noPath = "not an absolute path"
        /// A package on this system has no file list, so its files seem to belong to nobody.
        case noList = "the file list of the package is missing"
        /// The file list of a package cannot be read.
        case unreadable = "the file cannot be read"
        /// A line is not of the form `digest  path`; it is left out.
        case noDigest = "not a digest and a path"
        /// A diversion without its three lines; it is left out.
        case noDiversion = "not a diversion of three lines"
    }

    /// Path of the file, below the root.
    public var file: String
    /// Number of the line, from 1; of a stanza its first one; 0 where it is about the file as a whole.
    public var line: Int
    /// What is wrong there.
    public var kind: Kind
    /// The package it is about, where that is known.
    public var package: String?

    /// `file:line: what is wrong (package)`.
    public var description: String {
        let place = line > 0 ? "\(file):\(line)" : file
        return "\(place): \(kind.rawValue)" + (package.map { " (\($0))" } ?? "")
    }
}
