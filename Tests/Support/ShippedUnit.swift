import Foundation

/// What packaging/retinued.service grants the daemon, for tests that run it so.
package enum ShippedUnit {
    /// Whether every daemon under test gets the unit's capabilities and limits: `RETINUE_AS_UNIT` is set, as in the
    /// second run of the privileged tests.
    package static let isAsked = ProcessInfo.processInfo.environment["RETINUE_AS_UNIT"] != nil

    /// What this machine allows to be locked: only a service manager may grant more.
    package static var mostLocked: UInt64 {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue), &limit)
        return UInt64(limit.rlim_max)
    }

    /// What executes a command with the unit's bounding set and limits, and without new privileges.
    package static func prefix() throws -> [String] {
        let folder = URL(fileURLWithPath: #filePath).pathComponents.prefix { $0 != "Tests" }.dropFirst()
        let text = try String(
            contentsOfFile: "/" + folder.joined(separator: "/") + "/packaging/retinued.service",
            encoding: .utf8)
        let lines = text.split(separator: "\n")
        func value(_ name: String) throws -> String {
            guard let line = lines.first(where: { $0.hasPrefix(name + "=") }) else {
                throw Failure("no \(name) in the unit")
            }
            return String(line.dropFirst(name.count + 1))
        }
        let names = try value("CapabilityBoundingSet").split(separator: " ").map {
            "+" + $0.lowercased().replacingOccurrences(of: "cap_", with: "")
        }
        guard names.count > 1, try value("NoNewPrivileges") == "yes" else {
            throw Failure("the unit's capabilities are not those that are tested")
        }
        let locked = try value("LimitMEMLOCK")
        guard locked.hasSuffix("M"), let mebibytes = Int(locked.dropLast()) else {
            throw Failure("LimitMEMLOCK of the unit is \(locked)")
        }
        return [
            "prlimit", "--memlock=\(min(UInt64(mebibytes) << 20, mostLocked))", "setpriv", "--no-new-privs",
            "--bounding-set=-all,\(names.joined(separator: ","))",
        ]
    }
}
