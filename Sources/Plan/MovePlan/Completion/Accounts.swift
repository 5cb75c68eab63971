import ProcessReading

/// Users and groups of a host, from its passwd(5) and group(5).
struct Accounts {
    struct User {
        var name: String
        var number: UInt32
        var group: UInt32
        var home: [UInt8]
        var shell: [UInt8]
    }

    private(set) var users: [UInt32: User] = [:]
    private(set) var groups: [UInt32: String] = [:]
    private var members: [String: [UInt32]] = [:]

    init(_ tree: HostTree) {
        for fields in AccountNames.lines(tree.contents(Array("/etc/passwd".utf8)) ?? [])
        where fields.count >= 7 {
            guard let number = Self.number(fields[2]), let group = Self.number(fields[3]),
                users[number] == nil
            else { continue }
            users[number] = User(
                name: String(decoding: fields[0], as: UTF8.self), number: number, group: group,
                home: Array(fields[5]), shell: Array(fields[6]))
        }
        for fields in AccountNames.lines(tree.contents(Array("/etc/group".utf8)) ?? [])
        where fields.count >= 4 {
            guard let number = Self.number(fields[2]) else { continue }
            if groups[number] == nil { groups[number] = String(decoding: fields[0], as: UTF8.self) }
            for member in fields[3].split(separator: UInt8(ascii: ",")) {
                members[String(decoding: member, as: UTF8.self), default: []].append(number)
            }
        }
    }

    /// Home folders, the root's excepted: everything may lie in that.
    var homes: [[UInt8]] { users.values.map(\.home).filter { $0.count > 1 } }

    /// The accounts of some numbers, with the groups that the users belong to, by kind and number.
    func planned(users numbers: Set<UInt32>, groups also: Set<UInt32>) -> [PlannedAccount] {
        var wanted = also
        var found: [PlannedAccount] = []
        for number in numbers.sorted() where number != 0 {
            var account = PlannedAccount(isUser: true, name: users[number]?.name ?? "", number: number)
            if let user = users[number] {
                (account.group, account.home, account.shell) = (user.group, user.home, user.shell)
                wanted.insert(user.group)
                wanted.formUnion(members[user.name] ?? [])
            }
            found.append(account)
        }
        for number in wanted.sorted() where number != 0 {
            found.append(PlannedAccount(isUser: false, name: groups[number] ?? "", number: number))
        }
        return found
    }

    private static func number(_ text: ArraySlice<UInt8>) -> UInt32? {
        UInt32(String(decoding: text, as: UTF8.self))
    }
}
