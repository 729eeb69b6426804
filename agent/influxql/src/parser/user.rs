//! Users and what they may do.

use super::{Parser, Result, unexpected};
use crate::ast::{
    CreateUser, DropUser, Grant, GrantAdmin, Password, Privilege, Revoke, RevokeAdmin, SetPassword, Statement,
};
use crate::lexer::Tok;

impl Parser<'_> {
    /// Everything behind CREATE USER.
    pub(super) fn create_user(&mut self) -> Result<Statement> {
        let name = self.ident()?;
        self.expect(Tok::With)?;
        self.expect(Tok::Password)?;
        let password = Password(self.string()?);
        let admin = self.accept(Tok::With);
        if admin {
            self.expect(Tok::All)?;
            self.expect(Tok::Privileges)?;
        }
        Ok(Statement::CreateUser(CreateUser { name, password, admin }))
    }

    /// Everything behind DROP USER.
    pub(super) fn drop_user(&mut self) -> Result<Statement> {
        Ok(Statement::DropUser(DropUser { name: self.ident()? }))
    }

    /// Everything behind SET.
    pub(super) fn set_password(&mut self) -> Result<Statement> {
        self.expect(Tok::Password)?;
        self.expect(Tok::For)?;
        let name = self.ident()?;
        self.expect(Tok::Eq)?;
        Ok(Statement::SetPassword(SetPassword { name, password: Password(self.string()?) }))
    }

    /// Everything behind GRANT.
    pub(super) fn grant(&mut self) -> Result<Statement> {
        let privilege = self.privilege()?;
        if self.on_or(Tok::To, privilege)? {
            let database = self.ident()?;
            self.expect(Tok::To)?;
            return Ok(Statement::Grant(Grant { privilege, database, user: self.ident()? }));
        }
        Ok(Statement::GrantAdmin(GrantAdmin { user: self.ident()? }))
    }

    /// Everything behind REVOKE.
    pub(super) fn revoke(&mut self) -> Result<Statement> {
        let privilege = self.privilege()?;
        if self.on_or(Tok::From, privilege)? {
            let database = self.ident()?;
            self.expect(Tok::From)?;
            return Ok(Statement::Revoke(Revoke { privilege, database, user: self.ident()? }));
        }
        Ok(Statement::RevokeAdmin(RevokeAdmin { user: self.ident()? }))
    }

    fn privilege(&mut self) -> Result<Privilege> {
        let token = self.next();
        match token.tok {
            Tok::Read => Ok(Privilege::Read),
            Tok::Write => Ok(Privilege::Write),
            Tok::All => {
                self.accept(Tok::Privileges);
                Ok(Privilege::All)
            }
            _ => Err(unexpected(&token, &["READ", "WRITE", "ALL [PRIVILEGES]"])),
        }
    }

    /// Whether ON follows. Only behind ALL the other word may stand instead.
    fn on_or(&mut self, other: Tok, privilege: Privilege) -> Result<bool> {
        let token = self.next();
        match token.tok {
            Tok::On => Ok(true),
            tok if tok == other && privilege == Privilege::All => Ok(false),
            _ if privilege == Privilege::All => Err(unexpected(&token, &["ON", other.text()])),
            _ => Err(unexpected(&token, &["ON"])),
        }
    }
}
