import CLinux
import Glibc

/// Who is at the other end of a connection, as the kernel says (`SO_PEERCRED`, `SO_PEERGROUPS`).
public struct ControlPeer: Equatable, Sendable {
    /// What somebody may ask for.
    public enum Role: Equatable, Sendable {
        /// Root, or the daemon's own user: everything.
        case root
        /// A member of the group: what `ControlVerb.needsRoot` does not keep for root.
        case member
    }

    /// The effective user when it connected.
    public var user: UInt32
    /// What it may ask for; `nil` for nothing.
    public var role: Role?

    /// The group whose members may ask for the status and for dumps, where the host has it.
    public static let group = "retinue"

    /// The number of that group; `nil` where there is none.
    public static func groupNumber() -> UInt32? { getgrnam(group)?.pointee.gr_gid }

    /// Names somebody.
    public init(user: UInt32, role: Role?) {
        self.user = user
        self.role = role
    }

    /// Who has connected on a socket; `nil` if the kernel does not say.
    init?(of socket: Int32, group: UInt32?) {
        var user: UInt32 = 0
        guard clinux_peer_user(socket, &user) == 0 else { return nil }
        self.user = user
        if user == 0 || user == geteuid() {
            role = .root
        } else if let group, clinux_peer_is_member(socket, group) == 1 {
            role = .member
        }
    }
}

/// How many connections are served at a time, and what was turned away.
///
/// Whoever is not root can take only some of the places, and a single user fewer still: however many connections such
/// users make, root gets its answer.
public struct ControlPlaces: Sendable {
    /// Places in all.
    public static let most = 64
    /// Places that only root is given.
    public static let reserved = 16
    /// Places of one user who is not root.
    public static let mostOfUser = 8

    private var taken: [UInt32: Int] = [:]
    private var ofRoot = 0
    private var ofOthers = 0
    /// Connections that were turned away since there was no place.
    public private(set) var refused: UInt64 = 0

    /// All places free.
    public init() {}

    /// Takes a place; returns whether there was one.
    public mutating func take(_ peer: ControlPeer) -> Bool {
        let isRoot = peer.role == .root
        let hasRoom =
            isRoot
            ? ofRoot + ofOthers < Self.most
            : ofOthers < Self.most - Self.reserved && taken[peer.user, default: 0] < Self.mostOfUser
                && ofRoot + ofOthers < Self.most
        guard hasRoom else {
            refused += 1
            return false
        }
        if isRoot {
            ofRoot += 1
        } else {
            ofOthers += 1
            taken[peer.user, default: 0] += 1
        }
        return true
    }

    /// Gives a place back.
    public mutating func release(_ peer: ControlPeer) {
        if peer.role == .root {
            ofRoot -= 1
            return
        }
        ofOthers -= 1
        let left = taken[peer.user, default: 1] - 1
        taken[peer.user] = left == 0 ? nil : left
    }
}
