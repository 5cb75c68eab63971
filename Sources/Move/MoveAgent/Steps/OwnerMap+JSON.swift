import MovePlan
import Records
import Transfer

extension OwnerMap {
    /// What a plan says: accounts that have another number at the destination.
    init(_ accounts: [PlannedAccount]) {
        self.init()
        for account in accounts {
            guard let destination = account.destination, destination != account.number else { continue }
            if account.isUser {
                users[account.number] = destination
            } else {
                groups[account.number] = destination
            }
        }
    }

    /// Pairs of numbers, here and there.
    var value: JSONValue {
        func pairs(_ numbers: [UInt32: UInt32]) -> JSONValue {
            .array(
                numbers.sorted { $0.key < $1.key }.map {
                    .array([.integer(Int128($0.key)), .integer(Int128($0.value))])
                })
        }
        return .object([.init("users", pairs(users)), .init("groups", pairs(groups))])
    }

    /// Reads a tree; `nil` where it is none.
    init?(_ value: JSONValue) {
        func numbers(_ key: String) -> [UInt32: UInt32]? {
            var found: [UInt32: UInt32] = [:]
            for pair in value[key]?.array ?? [] {
                let pair = pair.array?.compactMap { $0.integer.flatMap { UInt32(exactly: $0) } } ?? []
                guard pair.count == 2, found.updateValue(pair[1], forKey: pair[0]) == nil else { return nil }
            }
            return found
        }
        guard let users = numbers("users"), let groups = numbers("groups") else { return nil }
        self.init()
        (self.users, self.groups) = (users, groups)
    }

    /// A program as it runs there.
    func map(_ run: ProgramRun) -> ProgramRun {
        var run = run
        (run.user, run.group) = map(user: run.user, group: run.group)
        run.groups = run.groups.map { groups[$0] ?? $0 }
        return run
    }
}
