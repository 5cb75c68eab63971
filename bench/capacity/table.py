def text(results):
    out = []
    for m in dict.fromkeys(r[0] for r in results.rows):
        for c in results.cases(m):
            for w in ("unwatched","discard","retinue"):
                qs = {q: results.median(m,c,w,q) for q in dict.fromkeys(r[4] for r in results.rows if (r[0],r[1],r[2])==(m,c,w))}
                if qs: out.append(f"{m:12} {c:24} {w:10} " + " ".join(f"{k}={v:.6g}" for k,v in qs.items()))
    return "\n".join(out)+"\n"
