mod support;
use support::*;
use tracewal_format::event::*;
use tracewal_format::time::Time;
fn rss() -> u64 { let s = std::fs::read_to_string("/proc/self/statm").unwrap(); s.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096 / 1_000_000 }
#[test]
fn probe() {
    let mut log = Log::new();
    for n in 0..1_000_000u64 {
        let id = format!("0190{:04x}-0000-7000-8000-{:012x}", n % 65536, n);
        let kind = if n % 2 == 0 { SpanKind::Tool } else { SpanKind::Generation };
        let mut s = Span::new(id, kind, "bash", Time::from_ms(1), Time::from_ms(2));
        s.output = Some(Payload::json("\"some output text\""));
        if n % 2 == 1 { s.tokens = Some(Tokens::new(1u64,2u64,3u64,4u64,5u64)); s.cost = Some(0.1); }
        log.event(&s.into());
    }
    let segs = log.finish();
    let before = rss();
    let t = std::time::Instant::now();
    let mut reader = reader(&segs);
    let fold = tracewal_compact::Fold::of(&mut reader).unwrap();
    println!("log {} MB, fold {} MB in {:?}", segs[0].len()/1000000, rss() - before, t.elapsed());
    let t = std::time::Instant::now();
    struct Count(u64);
    impl std::io::Write for Count { fn write(&mut self, b: &[u8]) -> std::io::Result<usize> { self.0 += b.len() as u64; Ok(b.len()) } fn flush(&mut self) -> std::io::Result<()> { Ok(()) } }
    let mut out = Count(0);
    tracewal_compact::render(&fold, &mut reader, &mut out).unwrap();
    let hwm = std::fs::read_to_string("/proc/self/status").unwrap().lines().find(|l| l.starts_with("VmHWM")).unwrap().to_owned();
    println!("render {} MB in {:?}, rss {} hwm {}", out.0/1000000, t.elapsed(), rss()-before, hwm);
}
