/// Which number an owner has at the destination; one that is not named keeps its own.
public struct OwnerMap: Equatable, Sendable {
    /// Of users: number at the source to number here.
    public var users: [UInt32: UInt32] = [:]
    /// Of groups.
    public var groups: [UInt32: UInt32] = [:]

    /// Every owner keeps its number.
    public init() {}

    /// The numbers here.
    public func map(user: UInt32, group: UInt32) -> (UInt32, UInt32) {
        (users[user] ?? user, groups[group] ?? group)
    }
}
