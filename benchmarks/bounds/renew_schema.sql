-- The smallest set of rows that a renewal must leave: the invoice, the order, the books, the news, the next date.
create schema if not exists renew;
create table account(id bigint generated always as identity primary key, code text unique not null);
insert into account(code) select 'acct-'||g from generate_series(1,10) g;
create table subscription(id bigint generated always as identity primary key, user_id bigint not null unique,
  amount bigint not null, currency char(3) not null, status smallint not null default 1, number int not null default 1,
  due_at timestamptz not null);
create index on subscription(due_at);
create table invoice(id bigint generated always as identity primary key, subscription_id bigint not null references subscription(id),
  number int not null, amount bigint not null, currency char(3) not null, status smallint not null, issued_at timestamptz not null default now(),
  unique(subscription_id, number));
create table orders(id bigint generated always as identity primary key, invoice_id bigint not null unique references invoice(id),
  user_id bigint not null, amount bigint not null, currency char(3) not null, status smallint not null, created_at timestamptz not null default now());
create index on orders(user_id, created_at);
create table journal(id bigint generated always as identity primary key, kind smallint not null, ref_id bigint not null,
  created_at timestamptz not null default now(), unique(kind, ref_id));
create table line(id bigint generated always as identity primary key, journal_id bigint not null references journal(id),
  account_id bigint not null references account(id), amount bigint not null, currency char(3) not null);
create index on line(journal_id); create index on line(account_id, id);
create table outbox(id bigint generated always as identity primary key, topic text not null, payload jsonb not null,
  created_at timestamptz not null default now(), published_at timestamptz);
create index on outbox(id) where published_at is null;
insert into subscription(user_id, amount, currency, due_at)
  select g, 1999, 'USD', now() + interval '1 year'
  from generate_series(1, 100000) g;
vacuum analyze subscription;
