/// How programs are kept apart from what else runs at the destination.
public enum Isolation: String, CaseIterable, Sendable {
    /// A root of their own, and processes of their own, so that all of them end together.
    case chroot
    /// System V and POSIX objects and the host's name as well.
    case container
    /// As `container`, each program started by runc(8) from an OCI bundle: fewer capabilities, a control group of its own.
    case runc
    /// As `container`, each program started by systemd-nspawn(1) from the same OCI bundle, with its filter of system calls.
    case nspawn
    /// A kernel of their own, under qemu(1), whose root is the cell's by 9p; always with a network of its own.
    case machine
    /// The host's own root: files lie where they lay at the source, programs are started by their units, or as in a `chroot`.
    case host

    /// The program that the destination needs for it.
    var tool: String? {
        switch self {
        case .chroot, .container, .host: nil
        case .runc: "runc"
        case .nspawn: "systemd-nspawn"
        case .machine: Machine.emulator
        }
    }

    /// Whether System V and POSIX objects and the host's name are the programs' own.
    var isContainer: Bool { self != .chroot && self != .host }

    /// Whether the programs are started from an OCI bundle.
    var isBundled: Bool { self == .runc || self == .nspawn }
}
