import Foundation

/// What packaging/retinued.service grants the daemon, for tests that run it so.
package enum ShippedUnit {
    /// Whether every daemon under test runs as a user of its own with the unit's capabilities and limits: `RETINUE_AS_UNIT` is
    /// set, as in the second run of the privileged tests.
    package static let isAsked = ProcessInfo.processInfo.environment["RETINUE_AS_UNIT"] != nil

    /// As whom: a number that no account of the machine has.
    package static let user: uid_t = 64_090

    /// What this machine allows to be locked: only a service manager may grant more.
    package static var mostLocked: UInt64 { mostOf(__RLIMIT_MEMLOCK) }

    /// Whether the limit by which the unit allows real-time priority can be had here. A machine may keep it from root
    /// (`CAP_SYS_RESOURCE`); the capability that allows any priority stands for it then.
    package static var hasRealTimeLimit: Bool {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        return mostOf(__RLIMIT_RTPRIO) >= 1 || Privilege.capabilities(in: status) & 1 << 24 != 0
    }

    private static func mostOf(_ resource: __rlimit_resource) -> UInt64 {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(resource.rawValue), &limit)
        return UInt64(limit.rlim_max)
    }

    /// What executes a command as another user, with the unit's capabilities and limits, and without new privileges.
    package static func prefix() throws -> [String] {
        let value = try settings()
        let names = try value("CapabilityBoundingSet")
        guard try value("AmbientCapabilities") == names, try value("NoNewPrivileges") == "yes",
            try value("User") == "retinued", try value("LimitRTPRIO") == "1", try value("LimitRTTIME") == "2s"
        else { throw Failure("what the unit grants is not what is tested") }
        var capabilities = names.split(separator: " ").map {
            $0.lowercased().replacingOccurrences(of: "cap_", with: "")
        }
        guard capabilities.count > 1 else { throw Failure("the unit has no capabilities") }
        let locked = try value("LimitMEMLOCK")
        guard locked.hasSuffix("M"), let mebibytes = Int(locked.dropLast()) else {
            throw Failure("LimitMEMLOCK of the unit is \(locked)")
        }
        var limits = ["--memlock=\(min(UInt64(mebibytes) << 20, mostLocked))", "--rttime=2000000"]
        if hasRealTimeLimit { limits.append("--rtprio=1") } else { capabilities.append("sys_nice") }
        let set = "-all" + capabilities.map { ",+" + $0 }.joined()
        return ["prlimit"] + limits + ["setpriv", "--no-new-privs"] + identity + [
            "--inh-caps=\(set)", "--ambient-caps=\(set)", "--bounding-set=\(set)",
        ]
    }

    /// What executes a command as the daemon's user, without a privilege: a client whom the daemon serves, and who believes it.
    /// Where daemons run as root, nothing.
    package static var client: [String] { isAsked ? ["setpriv"] + identity : [] }

    private static var identity: [String] { ["--reuid=\(user)", "--regid=\(user)", "--clear-groups"] }

    /// Gives a state folder and the one that it lies in, where its socket and what a test names beside it are made, to the
    /// daemon's user.
    package static func give(stateFolder: String) throws {
        let parent = (stateFolder as NSString).deletingLastPathComponent
        for path in [parent, stateFolder] where lchown(path, user, user) != 0 && errno != ENOENT {
            throw Failure("lchown: \(String(cString: strerror(errno)))")
        }
        guard let below = FileManager.default.enumerator(atPath: stateFolder) else { return }
        for case let name as String in below { lchown(stateFolder + "/" + name, user, user) }
    }

    /// Looks a setting of the unit up.
    private static func settings() throws -> (String) throws -> String {
        let folder = URL(fileURLWithPath: #filePath).pathComponents.prefix { $0 != "Tests" }.dropFirst()
        let text = try String(
            contentsOfFile: "/" + folder.joined(separator: "/") + "/packaging/retinued.service",
            encoding: .utf8)
        let lines = text.split(separator: "\n")
        return { name in
            guard let line = lines.first(where: { $0.hasPrefix(name + "=") }) else {
                throw Failure("no \(name) in the unit")
            }
            return String(line.dropFirst(name.count + 1))
        }
    }
}
